module stavka.local/stavka

go 1.26

replace (
	stavka.local/api => ./api
	stavka.local/betmaker => ./betmaker
	stavka.local/lineprovider => ./lineprovider
	stavka.local/shared => ./shared
	stavka.local/sql => ./sql
)
