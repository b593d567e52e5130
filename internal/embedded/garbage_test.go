package embedded

import (
	"context"
	"fmt"
	"io"
	"testing"

	"stavka.local/shared/config/configtest"
)

// TestGarbageInEveryVariable is not parallel, because DATA_DIR may be relative.
func TestGarbageInEveryVariable(t *testing.T) {
	t.Chdir(t.TempDir())
	configtest.Garbage(t, configtest.Program{
		Settings: Settings(),
		Safe: map[string]string{
			"BETMAKER_ADDR": "127.0.0.1:0", "LINEPROVIDER_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(),
			"LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough", "FIRST_USER_PASSWORD": "long enough",
		},
		Read: func(lookup func(string) (string, bool)) (string, func() error, error) {
			s, err := newSettings(lookup).withDataDir()
			if err != nil {
				return "", nil, err
			}
			maker, provider, err := s.configure(nil)
			return fmt.Sprintf("%v %+v %#v %v %+v %#v", maker, maker, maker, provider, provider, provider), func() error {
				i, err := newInstance(t.Context(), s, io.Discard)
				if err != nil {
					return err
				}
				return i.Stop(context.WithoutCancel(t.Context()))
			}, err
		},
	})
}
