package rabbitmq

import (
	"errors"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestReturnBeforeConfirmation has the return and the confirmation of a message arrive
// together, as after a delay of the network. The confirmation must not hide the return.
func TestReturnBeforeConfirmation(t *testing.T) {
	t.Parallel()
	for range 100 { // select chooses at random
		pub := &publication{message: amqp.Publishing{MessageId: "d.1:7"}, result: make(chan error, 1)}
		s := session{pending: map[uint64]*publication{1: pub}}
		a := answers{
			confirms: make(chan amqp.Confirmation, 1),
			returns:  make(chan amqp.Return, 1),
			lost:     make(chan *amqp.Error, 1),
		}
		a.returns <- amqp.Return{MessageId: "d.1:7"}
		a.confirms <- amqp.Confirmation{DeliveryTag: 1, Ack: true}

		if err := s.listen(a, nil); !errors.Is(err, errDeleted) {
			t.Fatalf("the session ended by %v, want %v", err, errDeleted)
		}

		if err := <-pub.result; !errors.Is(err, errUnroutable) {
			t.Fatalf("the publication ended by %v, want %v", err, errUnroutable)
		}
	}
}
