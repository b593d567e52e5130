package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// The steps of operators.

func (p *play) create(name, price string) step {
	return step{fmt.Sprintf("line-provider offers %s at %s", name, price), func(ctx context.Context) (string, error) {
		got, err := p.line.CreateEventWithResponse(ctx, nil, lineprovider.NewEvent{Coefficient: odds.MustParse(price), Name: &name})
		if err != nil {
			return "", err
		}
		if got.JSON201 == nil {
			return "", unexpected(got.StatusCode(), got.Body)
		}
		p.events[name] = *got.JSON201
		return fmt.Sprintf("event %d", got.JSON201.EventID), nil
	}}
}

func (p *play) amend(what, name string, patch lineprovider.EventPatch) step {
	return step{what, func(ctx context.Context) (string, error) {
		got, err := p.line.ChangeEventWithResponse(ctx, p.events[name].EventID, nil, patch)
		if err != nil {
			return "", err
		}
		if got.JSON200 == nil {
			return "", unexpected(got.StatusCode(), got.Body)
		}
		p.events[name] = *got.JSON200
		return "", p.awaitKnown(ctx, name)
	}}
}

func (p *play) reprice(name, price string) step {
	return p.amend(fmt.Sprintf("the price of %s moves to %s", name, price), name,
		lineprovider.EventPatch{Coefficient: new(odds.MustParse(price))})
}

func (p *play) suspend(name string) step {
	return p.amend(name+" is suspended", name, lineprovider.EventPatch{Suspended: new(true)})
}

func (p *play) resume(name string) step {
	return p.amend(name+" takes bets again", name, lineprovider.EventPatch{Suspended: new(false)})
}

func (p *play) decide(what, name string, state lineprovider.NewState) step {
	return step{what, func(ctx context.Context) (string, error) {
		got, err := p.line.SetEventStateWithResponse(ctx, p.events[name].EventID, nil, state)
		if err != nil {
			return "", err
		}
		if got.JSON200 == nil {
			return "", unexpected(got.StatusCode(), got.Body)
		}
		p.events[name] = *got.JSON200
		return "", nil
	}}
}

// awaitKnown waits until bet-maker knows the present version of an event.
func (p *play) awaitKnown(ctx context.Context, name string) error {
	want := p.events[name]
	return eventually(ctx, func(ctx context.Context) error {
		got, err := p.admin.GetEventWithResponse(ctx, want.EventID)
		if err != nil {
			return err
		}
		if got.JSON200 == nil {
			return unexpected(got.StatusCode(), got.Body)
		}
		if got.JSON200.Version < want.Version {
			return fmt.Errorf("bet-maker knows version %d of %s, not %d", got.JSON200.Version, name, want.Version)
		}
		return nil
	})
}

// The steps of users.

func (p *play) register(name string) step {
	return step{name + " gets an account", func(ctx context.Context) (string, error) {
		if p.admin == nil {
			admin, err := p.signIn(ctx, p.stage.Username, p.stage.Password)
			if err != nil {
				return "", fmt.Errorf("sign in as the administrator %s: %w", p.stage.Username, err)
			}
			p.admin = admin
		}
		// A story may be played more than once on the same instance.
		username, password := strings.ToLower(name+"-"+rand.Text()[:8]), rand.Text()
		created, err := p.admin.CreateUserWithResponse(ctx, betmaker.NewUser{
			Name: name, Username: username, Email: username + "@example.com", Password: password,
		})
		if err != nil {
			return "", err
		}
		if created.JSON201 == nil {
			return "", unexpected(created.StatusCode(), created.Body)
		}
		api, err := p.signIn(ctx, username, password)
		if err != nil {
			return "", err
		}
		p.users[name] = &user{name: name, id: created.JSON201.ID, api: api}
		return fmt.Sprintf("user %d, %s", created.JSON201.ID, username), nil
	}}
}

// wish is a bet that a user wants to place.
type wish struct {
	user, event, amount string
	seen                string // the price that the user has seen; empty for any
}

func (w wish) String() string {
	text := fmt.Sprintf("%s bets %s on %s", w.user, w.amount, w.event)
	if w.seen != "" {
		text += ", having seen " + w.seen
	}
	return text
}

func (p *play) ask(ctx context.Context, w wish, key string) (*betmaker.PlaceBetResponse, error) {
	body := betmaker.NewBet{EventID: p.events[w.event].EventID, Amount: money.MustParse(w.amount)}
	if w.seen != "" {
		body.Coefficient = new(odds.MustParse(w.seen))
	}
	return p.users[w.user].api.PlaceBetWithResponse(ctx, &betmaker.PlaceBetParams{IdempotencyKey: &key}, body)
}

// place returns the step of a bet that must be accepted.
func (p *play) place(w wish) step {
	return step{w.String(), func(ctx context.Context) (string, error) {
		key := rand.Text()
		got, err := p.ask(ctx, w, key)
		if err != nil {
			return "", err
		}
		bet := got.JSON201
		if bet == nil {
			return "", unexpected(got.StatusCode(), got.Body)
		}
		if bet.Status != betmaker.BetStatusPending || bet.Amount != money.MustParse(w.amount) || bet.Coefficient != p.events[w.event].Coefficient {
			return "", fmt.Errorf("the bet is %s", got.Body)
		}
		p.bets = append(p.bets, placedBet{p.users[w.user], w.event, key, *bet})
		return fmt.Sprintf("bet %d at %s, pays %s if won", bet.ID, bet.Coefficient, bet.PotentialPayout), nil
	}}
}

// repeat returns the step that sends the request of the last bet again.
func (p *play) repeat(w wish) step {
	return step{w.user + " sends the same request again", func(ctx context.Context) (string, error) {
		last := p.bets[len(p.bets)-1]
		got, err := p.ask(ctx, w, last.key)
		if err != nil {
			return "", err
		}
		if got.JSON201 == nil || *got.JSON201 != last.bet {
			return "", unexpected(got.StatusCode(), got.Body)
		}
		return fmt.Sprintf("still one bet, %d", last.bet.ID), nil
	}}
}

// refuse returns the step of a bet that must be refused with the given code.
func (p *play) refuse(w wish, code string) step {
	return step{w.String(), func(ctx context.Context) (string, error) {
		var detail string
		err := eventually(ctx, func(ctx context.Context) error {
			got, err := p.ask(ctx, w, rand.Text())
			if err != nil {
				return err
			}
			problem := got.ApplicationProblemJSONDefault
			if problem == nil || problem.Code != code {
				return unexpected(got.StatusCode(), got.Body)
			}
			detail = fmt.Sprintf("refused, %s (%s)", problem.Code, problem.Detail)
			return nil
		})
		return detail, err
	}}
}
