module stavka.local/betmaker

go 1.26

require (
	stavka.local/api v0.0.0
	stavka.local/shared v0.0.0
)

require pgregory.net/rapid v1.3.0 // indirect

replace (
	stavka.local/api => ../api
	stavka.local/shared => ../shared
	stavka.local/sql => ../sql
)
