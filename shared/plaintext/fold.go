package plaintext

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// FoldCase returns a form that is equal for texts that look equal: it folds case (also that of sharp s
// and final sigma), width and the ways to compose a character.
func FoldCase(text string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(width.Fold.String(text))))
}
