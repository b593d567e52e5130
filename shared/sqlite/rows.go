package sqlite

// MapRows returns the values of rows. It returns the first error of valueOf.
func MapRows[Row, Value any](rows []Row, valueOf func(Row) (Value, error)) ([]Value, error) {
	values := make([]Value, len(rows))
	for i, row := range rows {
		var err error
		if values[i], err = valueOf(row); err != nil {
			return nil, err
		}
	}
	return values, nil
}
