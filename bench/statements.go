package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"stavka.local/bench/rig"
)

// slowest writes a table of the statements that took the most of PostgreSQL's time during
// work, with their use of pages: found in the buffers, read into them, changed, and written
// in full to the log, which happens once per page after a checkpoint. work returns its description.
func slowest(ctx context.Context, s *rig.System, file string, work func() (string, error)) error {
	if _, err := s.DB.Exec(ctx, "select pg_stat_statements_reset()"); err != nil {
		return fmt.Errorf("find slow statements: %w", err)
	}
	what, err := work()
	if err != nil {
		return err
	}
	rows, err := s.DB.Query(ctx, `
		select calls, rows, total_exec_time, mean_exec_time, shared_blks_hit, shared_blks_read, shared_blks_dirtied, wal_fpi, wal_bytes,
			regexp_replace(query, '\s+', ' ', 'g')
		from pg_stat_statements join pg_database d on d.oid = dbid
		where d.datname = current_database()
		order by total_exec_time desc limit 20`)
	if err != nil {
		return fmt.Errorf("find slow statements: %w", err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "The statements that took the most time while %s:\n\n", what)
	text.WriteString("| calls | rows | total ms | mean ms | pages found | read | changed | logged in full | KiB of log | statement |\n")
	text.WriteString("|---|---|---|---|---|---|---|---|---|---|\n")
	var (
		calls, affected, hit, read, dirtied, full int64
		total, mean, bytes                        float64
		statement                                 string
	)
	_, err = pgx.ForEachRow(rows, []any{&calls, &affected, &total, &mean, &hit, &read, &dirtied, &full, &bytes, &statement}, func() error {
		fmt.Fprintf(&text, "| %d | %d | %.0f | %.3f | %d | %d | %d | %d | %.0f | `%s` |\n",
			calls, affected, total, mean, hit, read, dirtied, full, bytes/1024, strings.ReplaceAll(statement, "|", "\\|"))
		return nil
	})
	if err != nil {
		return fmt.Errorf("find slow statements: %w", err)
	}
	return os.WriteFile(file, []byte(text.String()), 0o644)
}
