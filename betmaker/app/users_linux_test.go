package app

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newTerminal returns the two ends of a terminal: that of the person, and that of the program.
func newTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// prompts writes the next line when the program asks for one, so that the echo is off by then.
type prompts struct {
	person *os.File
	asked  strings.Builder
	lines  []string
}

func (p *prompts) Write(text []byte) (int, error) {
	p.asked.Write(text)
	if strings.HasSuffix(string(text), ": ") {
		line := p.lines[0]
		p.lines = p.lines[1:]
		go func() { _, _ = p.person.WriteString(line + "\n") }()
	}
	return len(text), nil
}

func TestPasswordFromATerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		second string
		err    error
	}{{"a new password", nil}, {"a new passwort", errPasswordsDiffer}} {
		person, program := newTerminal(t)
		asked := &prompts{person: person, lines: []string{"a new password", tt.second}}
		password, err := readPassword(program, asked)
		if !errors.Is(err, tt.err) || (err == nil) != (password == "a new password") {
			t.Errorf("typed twice, then %q: got %q, %v; want %v", tt.second, password, err, tt.err)
		}
		if got, want := asked.asked.String(), "New password: \nAgain: \n"; got != want {
			t.Errorf("got the prompts %q, want %q", got, want)
		}
	}
}
