package domain

import "stavka.local/shared/plaintext"

// checkText returns ErrInvalidText unless a text for people is empty or allowed.
func checkText(field, text string) error {
	if problem := plaintext.Problem(text); text != "" && problem != "" {
		return ErrInvalidText.Detailf("%s %s.", field, problem).With("field", field)
	}
	return nil
}
