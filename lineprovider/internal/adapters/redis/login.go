package redis

import (
	"errors"

	"github.com/redis/go-redis/v9"

	"stavka.local/shared/config"
)

var errURL = errors.New("the URL is not of the form redis://[:password@]host[:port][/db]") // the cause would show the password

// Login returns what a Store with the URL signs in with, as the library reads it. An error does not quote the URL.
func Login(url string) (config.Login, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return config.Login{}, errURL
	}
	return config.Login{User: options.Username, Password: options.Password, Otherwise: options.Network == "unix"}, nil
}
