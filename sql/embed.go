// Package sql holds all the SQL of Stavka: the migrations, embedded here for the
// services to run, and the queries, from which sqlc generates each adapter's code.
package sql

import "embed"

// BetMakerPostgres holds bet-maker's goose migrations for PostgreSQL.
//
//go:embed betmaker/postgres/migrations/*.sql
var BetMakerPostgres embed.FS
