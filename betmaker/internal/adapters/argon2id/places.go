package argon2id

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// class orders the passwords that wait: all urgent ones come before the patient ones.
type class int

const (
	urgent class = iota
	patient
	classes
)

// places bound how many passwords are hashed at the same time.
type places struct {
	mu      sync.Mutex
	free    int
	waiting [classes][]chan struct{} // closed when a place is given; each class in order of arrival
}

// enter waits for a place. The caller must call leave.
func (p *places) enter(ctx context.Context, class class) (leave func(), err error) {
	turn := p.join(class)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-turn:
		return p.leave, nil
	case <-timer.C:
		err = ErrBusy
	case <-ctx.Done():
		err = fmt.Errorf("wait to hash a password: %w", ctx.Err())
	}
	p.quit(class, turn)
	return nil, err
}

// join returns a channel that is closed when the caller has a place.
func (p *places) join(class class) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn := make(chan struct{})
	if p.free > 0 { // then nobody waits
		p.free--
		close(turn)
	} else {
		p.waiting[class] = append(p.waiting[class], turn)
	}
	return turn
}

// quit ends the wait for a place, which may have been given meanwhile.
func (p *places) quit(class class, turn chan struct{}) {
	p.mu.Lock()
	i := slices.Index(p.waiting[class], turn)
	if i >= 0 {
		p.waiting[class] = slices.Delete(p.waiting[class], i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		p.leave()
	}
}

// leave gives the place to the next password that waits.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for class, waiting := range p.waiting {
		if len(waiting) > 0 {
			p.waiting[class] = waiting[1:]
			close(waiting[0])
			return
		}
	}
	p.free++
}
