package app_test

import (
	"context"
	"fmt"
	"testing"

	"stavka.local/lineprovider/app"
	"stavka.local/shared/config/configtest"
)

func TestGarbageInEveryVariable(t *testing.T) {
	t.Parallel()
	configtest.Garbage(t, configtest.Program{
		Settings: app.Settings(),
		Safe: map[string]string{
			"LINEPROVIDER_ADDR": "127.0.0.1:0", "LINE_PROVIDER_TOKEN": "a-service-token-that-is-long-enough",
			"RABBITMQ_URL": "amqp://stavka:a-long-password@rabbit/", "REDIS_PASSWORD": "a-long-password",
		},
		Read: func(lookup func(string) (string, bool)) (string, func() error, error) {
			c, err := app.ConfigFromEnv(lookup)
			return fmt.Sprintf("%v %+v %#v", c, c, c), func() error {
				a, err := app.New(t.Context(), c)
				if err != nil {
					return err
				}
				return a.Stop(context.WithoutCancel(t.Context()))
			}, err
		},
	})
}
