package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// takeRoleQuery takes on the role stavka_betmaker, which may not change append-only tables, if the
// role exists and the user may take it on. It also returns whether the schema exists: its migration
// creates the role. From PostgreSQL 16 on, a member of a role may lack the right to take it on.
const takeRoleQuery = `select exists (select from pg_class where relname = 'transfers' and pg_table_is_visible(oid)) as migrated,
	(select set_config('role', rolname, false) from pg_roles where rolname = 'stavka_betmaker' and pg_has_role(
		current_user, oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end)) as role`

// withoutSchema marks a connection that was opened before the schema, and possibly the role, existed.
const withoutSchema = "stavka without schema"

func isWithoutSchema(conn *pgx.Conn) bool { return conn.PgConn().CustomData()[withoutSchema] != nil }

// takeRole makes a connection take on the role for its lifetime. A connection that was opened before
// the schema existed tries again at each use, until the schema exists.
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
