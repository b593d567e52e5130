module stavka.local/shared

go 1.26
