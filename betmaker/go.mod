module stavka.local/betmaker

go 1.26

require (
	stavka.local/api v0.0.0
	stavka.local/shared v0.0.0
)

replace (
	stavka.local/api => ../api
	stavka.local/shared => ../shared
	stavka.local/sql => ../sql
)
