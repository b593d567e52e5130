// Package sql contains all SQL of Stavka: the migrations, which are embedded here, and the queries, from
// which sqlc generates code for the adapters.
package sql

import (
	"embed"
	"io/fs"
)

//go:embed betmaker/*/migrations/*.sql lineprovider/*/migrations/*.sql
var files embed.FS

// The goose migrations of each store.
var (
	BetMakerPostgres   = below("betmaker/postgres/migrations")
	BetMakerSQLite     = below("betmaker/sqlite/migrations")
	LineProviderSQLite = below("lineprovider/sqlite/migrations")
)

func below(dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // dir is not a valid path
	}
	return sub
}
