package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// takeRoleQuery takes on the role that may not change what is written down for ever, if it
// exists and the user may have it, and tells whether the schema, which the role comes with,
// is there. From PostgreSQL 16 on a member may not be allowed to take a role on.
const takeRoleQuery = `select exists (select from pg_class where relname = 'transfers' and pg_table_is_visible(oid)) as migrated,
	(select set_config('role', rolname, false) from pg_roles where rolname = 'stavka_betmaker' and pg_has_role(
		current_user, oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end)) as role`

// withoutSchema marks a connection that was made before the schema, and so perhaps the role.
const withoutSchema = "stavka without schema"

func isWithoutSchema(conn *pgx.Conn) bool { return conn.PgConn().CustomData()[withoutSchema] != nil }

// takeRole makes a connection take on the role, for as long as it lasts. One that is made
// before the schema looks again whenever it is used, until the schema is there.
func takeRole(ctx context.Context, conn *pgx.Conn) error {
	var (
		migrated bool
		role     *string
	)
	if err := conn.QueryRow(ctx, takeRoleQuery).Scan(&migrated, &role); err != nil {
		return fmt.Errorf("take on the service's role: %w", err)
	}
	if migrated || role != nil {
		delete(conn.PgConn().CustomData(), withoutSchema)
	} else {
		conn.PgConn().CustomData()[withoutSchema] = true
	}
	return nil
}
