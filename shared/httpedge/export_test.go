package httpedge

import "net"

// SilentGrace is silentGrace.
const SilentGrace = silentGrace

// ListenAt makes a server that does not run yet accept connections of other instead.
func (s *Server) ListenAt(other net.Listener) error {
	err := s.listener.Close()
	s.listener = newListener(other, s.connections)
	return err
}
