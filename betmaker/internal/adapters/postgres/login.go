package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"stavka.local/shared/config"
)

// Login returns what a Store with the URL signs in with: as the driver reads it, in whatever place of
// the URL, of its files and of the environment it stands. The text of an error may quote the URL.
func Login(url string) (config.Login, error) {
	settings, err := pgxpool.ParseConfig(plainURL(url))
	if err != nil {
		return config.Login{}, fmt.Errorf("database url: %w", err)
	}
	c := settings.ConnConfig
	socket := strings.HasPrefix(c.Host, "/") || strings.HasPrefix(c.Host, "@")
	certificate := c.TLSConfig != nil && (len(c.TLSConfig.Certificates) > 0 || c.TLSConfig.GetClientCertificate != nil)
	return config.Login{User: c.User, Password: c.Password, Otherwise: socket || certificate}, nil
}
