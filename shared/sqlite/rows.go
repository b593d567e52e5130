package sqlite

// MapRows returns the values of rows, nil for none. It returns the first error of valueOf.
func MapRows[Row, Value any](rows []Row, valueOf func(Row) (Value, error)) ([]Value, error) {
	var values []Value
	for _, row := range rows {
		value, err := valueOf(row)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}
