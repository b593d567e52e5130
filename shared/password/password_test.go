package password_test

import (
	"testing"

	"stavka.local/shared/password"
)

func TestIsCommon(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"password": true, "PassWord": true, "ｐａｓｓｗｏｒｄ": true, "123456789": true, "letmein": true,
		"": false, "password of my own": false, "h7Qp-2zXw": false,
	} {
		if got := password.IsCommon(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}
