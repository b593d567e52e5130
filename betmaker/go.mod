module stavka.local/betmaker

go 1.26.0

require (
	stavka.local/api v0.0.0
	stavka.local/shared v0.0.0
)

require github.com/jackc/puddle/v2 v2.2.3 // indirect

require (
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/pgx/v5 v5.12.0 // indirect
	github.com/jellydator/ttlcache/v3 v3.4.1 // indirect
	github.com/mfridman/interpolate v0.0.2 // indirect
	github.com/pressly/goose/v3 v3.29.0 // indirect
	github.com/sethvargo/go-retry v0.5.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
	stavka.local/sql v0.0.0
)

replace (
	stavka.local/api => ../api
	stavka.local/shared => ../shared
	stavka.local/sql => ../sql
)
