package service

import (
	"net"
	"strings"

	"stavka.local/shared/config"
)

// Scheme returns the scheme of a URL. Errors and logs may show it, and nothing else of the URL,
// which may hold a password.
func Scheme(address config.Secret) string {
	scheme, _, _ := strings.Cut(address.Reveal(), ":")
	return scheme
}

// File returns the path in a URL of the form sqlite:PATH. The path is not escaped.
func File(address config.Secret) string {
	_, file, _ := strings.Cut(address.Reveal(), ":")
	return file
}

// LocalURL returns the HTTP URL at which this machine reaches a server that listens at address,
// "host:port". An address of all interfaces is reached by loopback.
func LocalURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + address
}
