// Command bare answers every request with the same bytes. Stavka's programs are compared
// with it. It reads the body from one file and the header from another.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := serve(os.Getenv("BARE_ADDR"), os.Getenv("BARE_HEADER"), os.Getenv("BARE_BODY")); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func serve(address, headerFile, bodyFile string) error {
	body, err := os.ReadFile(bodyFile)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	text, err := os.ReadFile(headerFile)
	if err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	var header http.Header
	if err := json.Unmarshal(text, &header); err != nil {
		return fmt.Errorf("the header: %w", err)
	}
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), header)
			_, _ = w.Write(body) // the client may be gone
		},
	)}
	return server.ListenAndServe()
}
