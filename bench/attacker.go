package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// flooding is the number of connections of an attacker: more than the places that bet-maker has for bets.
	flooding = 2100
	// floodPace bounds how often each of them sends its text. Without it, the figures would be those of a
	// generator that keeps both processors busy.
	floodPace = time.Second
)

// attackerCommand is the argument that makes this program an attacker.
const attackerCommand = "attack"

// floodFrom floods an address from a process of its own until ctx ends, and returns the number of answers. That
// process has the lowest priority, because a real attacker does not use the processors of the attacked.
func floodFrom(ctx context.Context, address, text string) (answers int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("start an attacker: %w", err)
	}
	attacker := exec.CommandContext(ctx, "nice", "-n", "19", self, attackerCommand, address)
	attacker.Cancel = func() error { return attacker.Process.Signal(os.Interrupt) }
	attacker.WaitDelay = 10 * time.Second
	attacker.Stdin = strings.NewReader(text)
	out, err := attacker.Output()
	if err != nil && ctx.Err() == nil {
		return 0, fmt.Errorf("attack: %w", err)
	}
	if _, err := fmt.Sscan(string(out), &answers); err != nil {
		return 0, fmt.Errorf("read what an attacker counted, %q: %w", out, err)
	}
	return answers, nil
}

// beAttacker floods an address with the text on the standard input until ctx ends, and prints the number of answers.
func beAttacker(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("an attacker takes an address")
	}
	if err := allowFiles(openFiles); err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read the text of the flood: %w", err)
	}
	_, err = fmt.Println(flood(ctx, arguments[0], string(text)))
	return err
}

// flood keeps connections busy until ctx ends, and returns the number of answers.
func flood(ctx context.Context, address, text string) int {
	var (
		attackers sync.WaitGroup
		answers   = make([]int, flooding)
	)
	for i := range flooding {
		attackers.Go(func() {
			begin := time.NewTimer(floodPace * time.Duration(i) / flooding) // spread over the pace
			defer begin.Stop()
			select {
			case <-begin.C:
			case <-ctx.Done():
				return
			}
			ticker := time.NewTicker(floodPace)
			defer ticker.Stop()
			for ctx.Err() == nil {
				answers[i] += attack(ctx, address, text, ticker.C)
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
		})
	}
	attackers.Wait()
	total := 0
	for _, n := range answers {
		total += n
	}
	return total
}

// attack sends a text on a new connection, and again at each tick for as long as it is answered and the connection
// stays open. It returns the number of answers when the server closes the connection or ctx ends.
func attack(ctx context.Context, address, text string, tick <-chan time.Time) (answers int) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	for reader := bufio.NewReader(conn); ; answers++ {
		if _, err := io.WriteString(conn, text); err != nil {
			return answers
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		_, err = io.Copy(io.Discard, response.Body)
		if closeErr := response.Body.Close(); err != nil || closeErr != nil || response.Close {
			return answers + 1
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return answers + 1
		}
	}
}
