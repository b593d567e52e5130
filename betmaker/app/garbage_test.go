package app

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"stavka.local/shared/config/configtest"
)

func TestGarbageInEveryVariable(t *testing.T) {
	t.Parallel()
	environment := safe()
	maps.Copy(environment, map[string]string{"BETMAKER_ADDR": "127.0.0.1:0"})
	configtest.Garbage(t, configtest.Program{
		Settings: Settings(), Safe: environment,
		Read: func(lookup func(string) (string, bool)) (string, func() error, error) {
			c, err := ConfigFromEnv(lookup)
			return fmt.Sprintf("%v %+v %#v", c, c, c), func() error {
				a, err := New(t.Context(), c)
				if err != nil {
					return err
				}
				return a.Stop(context.WithoutCancel(t.Context()))
			}, err
		},
	})
}
