module stavka.local/sql

go 1.26
