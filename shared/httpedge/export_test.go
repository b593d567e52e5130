package httpedge

import "net"

// SilentGrace is silentGrace.
const SilentGrace = silentGrace

// ListenAt makes a server that does not run yet accept connections of listener instead.
func (s *Server) ListenAt(listener net.Listener) error {
	err := s.listener.Close()
	s.listener = &closingOnce{Listener: listener}
	return err
}
