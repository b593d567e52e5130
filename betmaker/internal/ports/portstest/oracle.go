package portstest

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

const (
	oracleSteps = 16
	// oracleVariable is the environment variable that selects a single seed.
	oracleVariable = "STAVKA_ORACLE_SEED"
)

// Oracle runs random stories against the store and against a model. The model has no balances: it computes
// them with big.Rat from the steps of the story. Oracle compares both after every step. A seed determines a
// story. All stories share one store, each with its own users and events.
//
// The number of stories is multiplied by STAVKA_TEST_SCALE.
func Oracle(t *testing.T, s Stores, stories int) {
	if text, alone := os.LookupEnv(oracleVariable); alone {
		seed, err := strconv.ParseUint(text, 10, 64)
		ok(t, err)
		playStory(t, s, seed)
		return
	}
	var (
		seeds = uint64(scaled(t, 10*stories))
		next  atomic.Uint64
	)
	players := 2 * runtime.GOMAXPROCS(0)
	t.Run("stories", func(t *testing.T) {
		for player := range players {
			t.Run(strconv.Itoa(player), func(t *testing.T) {
				t.Parallel()
				for seed := next.Add(1); seed <= seeds && !t.Failed(); seed = next.Add(1) {
					playStory(t, s, seed)
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("%d stories of up to %d steps", seeds, oracleSteps)
	ledger := &shown{}
	ok(t, s.Ledger.Read(t.Context(), ledger))
	isRich(t, ledger)
	isInOrder(t, s)
}

// isRich checks that the stories together had every kind of transfer and settlement.
func isRich(t *testing.T, ledger *shown) {
	t.Helper()
	kinds, settlements := make(map[domain.TransferKind]int), make(map[domain.Settlement]int)
	for _, transfer := range ledger.transfers {
		kinds[transfer.Kind]++
	}
	for _, bet := range ledger.bets {
		settlement := bet.Settlement
		settlement.Payout = money.Amount{}
		settlements[settlement]++
	}
	t.Logf("transfers by kind: %v; bets by settlement: %v", kinds, settlements)
	for kind := domain.TransferOpening; kind <= domain.TransferRepayment; kind++ {
		isTrue(t, kinds[kind] > 0, "there is a transfer of the kind %s", kind)
	}
	for _, settlement := range []domain.Settlement{
		{Status: domain.StatusPending}, {Status: domain.StatusWon}, {Status: domain.StatusLost},
		{Status: domain.StatusVoid, VoidReason: domain.VoidEventCancelled}, {Status: domain.StatusVoid, VoidReason: domain.VoidPastPost},
		{Status: domain.StatusVoid, VoidReason: domain.VoidWindowed}, {Status: domain.StatusVoid, VoidReason: domain.VoidCancelledByUser},
	} {
		isTrue(t, settlements[settlement] > 0, "there is a bet with the settlement %+v", settlement)
	}
}

// story is the state of the model.
type story struct {
	*testing.T
	s      Stores
	rng    *rand.Rand
	seed   uint64
	steps  []string // for the log of a failure
	users  []*oracleUser
	events []*oracleEvent
	bets   []*oracleBet
	keys   int
}

type oracleUser struct {
	id     domain.UserID
	active bool
	// in is the sum of deposits minus withdrawals, in minor units.
	in *big.Rat
}

type oracleEvent struct {
	id      domain.EventID
	log     []domain.LineEvent // all states that the line has published
	known   domain.LineEvent   // the newest state that has arrived
	windows []oracleWindow
	revised bool // some bets may be behind
}

type oracleWindow struct {
	id       int64
	from, to time.Time
	undone   bool
}

type oracleBet struct {
	id        domain.BetID
	user      *oracleUser
	event     *oracleEvent
	stake     *big.Rat
	price     *big.Rat
	at        time.Time
	cancelled bool
	// The last settlement.
	status domain.Status
	payout *big.Rat
	placed domain.Placement // for replays
}

func playStory(t *testing.T, s Stores, seed uint64) {
	t.Helper()
	st := &story{T: t, s: s, seed: seed, rng: rand.New(rand.NewPCG(seed, 1))}
	defer func() {
		if t.Failed() {
			t.Logf("the steps of seed %d:\n%s\nrun it again: %s=%d go test -race -count=1 -run '^%s$' .", seed,
				strings.Join(st.steps, "\n"), oracleVariable, seed, strings.Split(t.Name(), "/")[0])
		}
	}()
	for i := range 2 {
		st.addUser(i)
	}
	for i := range 2 {
		st.addEvent(i)
	}
	for range oracleSteps {
		st.step()
		st.check()
	}
	for _, event := range st.events {
		st.deliver(event, event.log)
		st.settle(event)
	}
	st.check()
	st.checkTransfers()
	// In the end every bet follows the last state.
	for _, bet := range st.bets {
		status, payout := bet.event.settlement(bet)
		isTrue(t, bet.status == status && bet.payout.Cmp(payout) == 0, "bet %d follows the last state: %s, %s", bet.id, bet.status, status)
	}
}

func (st *story) tell(step string, args ...any) {
	st.steps = append(st.steps, fmt.Sprintf(step, args...))
}

func (st *story) step() {
	steps := []struct {
		weight int
		do     func()
	}{
		{8, st.place}, {2, st.repeatBet}, {1, st.cancelBet}, {2, st.reprice}, {1, st.suspend}, {6, st.finish},
		{1, st.void}, {1, st.undo}, {2, st.deposit}, {3, st.withdraw}, {2, st.regret}, {2, st.deliverSome}, {3, st.settleOne}, {1, st.deactivate},
	}
	sum := 0
	for _, step := range steps {
		sum += step.weight
	}
	n := st.rng.IntN(sum)
	for _, step := range steps {
		if n -= step.weight; n < 0 {
			step.do()
			return
		}
	}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func rat(a money.Amount) *big.Rat { return new(big.Rat).SetInt64(a.Minor()) }

// cents draws an amount. Small ones are as frequent as large ones, so that halves and empty wallets occur.
func (st *story) cents() money.Amount {
	return money.FromMinor(1 + st.rng.Int64N(pick(st.rng, []int64{9, 99, 5_00, 40_00})))
}

func (st *story) addUser(i int) {
	opening := st.cents()
	user := newUser(fmt.Sprintf("u%d-%d", st.seed, i), domain.RoleUser)
	user.Opening = opening
	created, err := st.s.Users.Create(st.Context(), user)
	ok(st.T, err)
	st.users = append(st.users, &oracleUser{id: created.ID, active: true, in: rat(opening)})
	st.tell("user %d begins with %s", created.ID, opening)
}

func (st *story) addEvent(i int) {
	event := &oracleEvent{id: domain.EventID(st.seed*10 + uint64(i))}
	first := openEvent(event.id).LineEvent
	first.Seq = 1
	first.Coefficient = st.price()
	event.log = []domain.LineEvent{first}
	st.events = append(st.events, event)
	st.tell("event %d at %s", event.id, first.Coefficient)
	st.deliver(event, event.log)
}

func (st *story) price() odds.Decimal {
	price, _ := odds.FromHundredths(100 + st.rng.Int64N(pick(st.rng, []int64{1, 60, 900})))
	return price
}

// The line.

// change adds a new state of an event to the line's log. It need not arrive.
func (st *story) change(event *oracleEvent, change func(*domain.LineEvent)) {
	next := event.log[len(event.log)-1]
	next.Seq++
	next.Version++
	change(&next)
	event.log = append(event.log, next)
	st.tell("the line says %d of event %d: price %s, suspended %t, state %d", next.Seq, event.id, next.Coefficient, next.Suspended, next.State)
	if st.rng.IntN(3) > 0 {
		st.deliver(event, event.log[len(event.log)-1:])
	}
}

func (st *story) reprice() {
	if event := pick(st.rng, st.events); !event.isDecided() {
		st.change(event, func(e *domain.LineEvent) { e.Coefficient = st.price() })
	}
}

func (st *story) suspend() {
	if event := pick(st.rng, st.events); !event.isDecided() {
		st.change(event, func(e *domain.LineEvent) { e.Suspended = !e.Suspended })
	}
}

// finish gives an event a result or corrects it.
func (st *story) finish() {
	event := pick(st.rng, st.events)
	accepted := event.accepted(st.bets)
	st.change(event, func(e *domain.LineEvent) {
		e.State = pick(st.rng, []domain.State{2, 2, 2, 3, 3, 4})
		e.ResultRevision++
		if e.ResultRevision == 1 && len(accepted) > 0 && st.rng.IntN(2) == 0 {
			e.RecordedBy = pick(st.rng, accepted)
		}
		e.EffectiveAt = time.Time{}
		if len(accepted) > 0 && st.rng.IntN(4) == 0 {
			e.EffectiveAt = pick(st.rng, accepted)
		}
	})
	if st.rng.IntN(2) == 0 {
		st.settle(event)
	}
}

// isDecided reports whether the line has published a result, arrived or not.
func (e *oracleEvent) isDecided() bool { return e.log[len(e.log)-1].State.IsFinal() }

// accepted returns the instants at which bets on the event were accepted.
func (e *oracleEvent) accepted(bets []*oracleBet) (instants []time.Time) {
	for _, bet := range bets {
		if bet.event == e {
			instants = append(instants, bet.at)
		}
	}
	return instants
}

// deliverSome delivers some messages of an event, in any order, some of them twice.
func (st *story) deliverSome() {
	event := pick(st.rng, st.events)
	messages := make([]domain.LineEvent, 1+st.rng.IntN(2*len(event.log)))
	for i := range messages {
		messages[i] = pick(st.rng, event.log)
	}
	st.deliver(event, messages)
}

func (st *story) deliver(event *oracleEvent, messages []domain.LineEvent) {
	for _, message := range messages {
		if !message.RecordedBy.IsZero() {
			// The clocks were compared again. What counts is the comparison at the first result.
			message.RecordedBy = message.RecordedBy.Add(time.Duration(st.rng.IntN(3)) * time.Microsecond)
		}
		err := st.s.Events.Update(st.Context(), []domain.EventID{event.id}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
			next, effect := known[event.id].Apply(message, now)
			if effect == domain.EffectNone {
				return nil
			}
			return []domain.Event{next}
		})
		ok(st.T, err)
		st.tell("arrives: %d of event %d", message.Seq, event.id)
		if message.Seq > event.known.Seq {
			if event.known.State.IsFinal() {
				message.RecordedBy = event.known.RecordedBy
			}
			if message.State.IsFinal() {
				event.revised = true
			}
			event.known = message
		}
	}
}

func (st *story) settleOne() { st.settle(pick(st.rng, st.events)) }

// settle settles the bets on an event.
func (st *story) settle(event *oracleEvent) {
	_, err := settle(st.Context(), st.s, event.id, 1+st.rng.IntN(3))
	ok(st.T, err)
	st.tell("event %d is settled", event.id)
	if !event.revised {
		return
	}
	for _, bet := range st.bets {
		if bet.event == event {
			bet.status, bet.payout = event.settlement(bet)
		}
	}
}

// settlement returns the settled status and payout of a bet.
func (e *oracleEvent) settlement(bet *oracleBet) (domain.Status, *big.Rat) {
	inWindow := slices.ContainsFunc(e.windows, func(w oracleWindow) bool {
		return !w.undone && !bet.at.Before(w.from) && bet.at.Before(w.to)
	})
	late := !e.known.RecordedBy.IsZero() && bet.at.After(e.known.RecordedBy)
	if !e.known.EffectiveAt.IsZero() {
		late = !bet.at.Before(e.known.EffectiveAt)
	}
	switch {
	case bet.cancelled, inWindow, e.known.State == domain.StateCancelled, e.known.State.IsFinal() && late:
		return domain.StatusVoid, bet.stake
	case e.known.State == domain.StateFinishedWin:
		return domain.StatusWon, returns(bet.stake, bet.price)
	case e.known.State == domain.StateFinishedLose:
		return domain.StatusLost, new(big.Rat)
	default:
		return domain.StatusPending, new(big.Rat)
	}
}

// returns returns stake x price, rounded down to the minor unit.
func returns(stake, price *big.Rat) *big.Rat {
	exact := new(big.Rat).Mul(stake, price)
	return new(big.Rat).SetInt(new(big.Int).Quo(exact.Num(), exact.Denom()))
}

// net returns a user's money without the stakes in escrow. A negative amount is debt.
func (st *story) net(user *oracleUser) *big.Rat {
	net := new(big.Rat).Set(user.in)
	for _, bet := range st.bets {
		if bet.user == user {
			net.Sub(net, bet.stake)
			net.Add(net, bet.payout)
		}
	}
	return net
}

// Users.

// place places one to three bets of random users in one batch.
func (st *story) place() {
	batch := make([]domain.Placement, 1+st.rng.IntN(3))
	for i := range batch {
		p := bet(pick(st.rng, st.users).id, pick(st.rng, st.events).id)
		p.Stake = st.cents()
		if st.rng.IntN(2) == 0 {
			st.keys++
			p.IdempotencyKey = fmt.Sprint("bet-", st.keys)
		}
		if st.rng.IntN(4) == 0 {
			p.Seen, p.Policy = st.price(), domain.OddsChangeHigher
		}
		batch[i] = p
	}
	decisions := place(st.T, st.s, batch...)
	for i, p := range batch {
		st.placed(p, decisions[i])
	}
}

// placed compares the decision on a placement with the model's.
func (st *story) placed(p domain.Placement, got domain.Decision) {
	user := st.users[slices.IndexFunc(st.users, func(u *oracleUser) bool { return u.id == p.UserID })]
	event := st.events[slices.IndexFunc(st.events, func(e *oracleEvent) bool { return e.id == p.EventID })]
	st.tell("user %d stakes %s on event %d: %+v, %v", p.UserID, p.Stake, p.EventID, got.Refusal, got.Err)
	var want domain.RefusalCode
	switch {
	case !user.active:
		isError(st.T, got.Err, domain.ErrUserInactive)
		return
	case event.known.State.IsFinal():
		want = domain.RefusedEventClosed
	case event.known.Suspended:
		want = domain.RefusedEventSuspended
	case p.Policy == domain.OddsChangeHigher && event.known.Coefficient.Less(p.Seen):
		want = domain.RefusedPriceChanged
	case st.net(user).Cmp(rat(p.Stake)) < 0:
		want = domain.RefusedInsufficientFunds
	}
	isTrue(st.T, got.Err == nil && !got.Replayed && got.Refusal.Code == want, "user %d stakes %s: %+v, want code %d", p.UserID, p.Stake, got, want)
	if want != 0 {
		return
	}
	price := new(big.Rat).SetFrac64(event.known.Coefficient.Hundredths(), 100)
	st.bets = append(st.bets, &oracleBet{
		id: got.Bet.ID, user: user, event: event, stake: rat(p.Stake), price: price, at: got.Bet.AcceptedAt,
		status: domain.StatusPending, payout: new(big.Rat), placed: p,
	})
}

// repeatBet repeats a placement, which must have no effect.
func (st *story) repeatBet() {
	if len(st.bets) == 0 {
		return
	}
	before := pick(st.rng, st.bets)
	if before.placed.IdempotencyKey == "" {
		return
	}
	got := place(st.T, st.s, before.placed)[0]
	st.tell("bet %d is placed once more", before.id)
	isTrue(st.T, got.Replayed && got.Bet.ID == before.id, "bet %d is replayed: %+v", before.id, got)
}

func (st *story) cancelBet() {
	if len(st.bets) == 0 {
		return
	}
	bet := pick(st.rng, st.bets)
	_, err := cancel(st.Context(), st.s, bet.id)
	st.tell("bet %d is cancelled: %v", bet.id, err)
	target, _ := bet.event.settlement(bet)
	possible := bet.status == domain.StatusPending && target == domain.StatusPending && !bet.event.known.Suspended
	isTrue(st.T, (err == nil) == (possible || bet.cancelled), "bet %+v can be cancelled %t: %v", bet, possible, err)
	if err == nil && !bet.cancelled {
		bet.cancelled, bet.status, bet.payout = true, domain.StatusVoid, bet.stake
	}
}

func (st *story) deactivate() {
	if st.rng.IntN(6) > 0 {
		return
	}
	user := pick(st.rng, st.users)
	deactivate(st.T, st.s, user.id)
	user.active = false
	st.tell("user %d is deactivated", user.id)
}

// Administrators.

func (st *story) void() {
	event := pick(st.rng, st.events)
	accepted := event.accepted(st.bets)
	if len(accepted) == 0 {
		return
	}
	from, to := pick(st.rng, accepted), pick(st.rng, accepted)
	if to.Before(from) {
		from, to = to, from
	}
	to = to.Add(time.Duration(st.rng.IntN(2)) * time.Microsecond)
	if !from.Before(to) {
		to = from.Add(time.Microsecond)
	}
	for clock(st.T, st.s).Before(to) {
		runtime.Gosched()
	}
	var made domain.VoidWindow
	err := st.s.Events.Amend(st.Context(), event.id, func(now time.Time, known domain.Event) (*ports.Amendment, error) {
		next, window, _, err := known.Void(domain.VoidWindow{From: from, To: to, Reason: fmt.Sprint("reason ", len(event.windows))}, now)
		made = window
		return &ports.Amendment{Event: next, Audit: next.AmendedBy(domain.Origin{}, domain.ActionVoid, window.Reason, known)}, err
	})
	ok(st.T, err)
	st.tell("bets on event %d from %s to %s are void: window %d", event.id, from, to, made.ID)
	event.windows = append(event.windows, oracleWindow{id: made.ID, from: from, to: to})
	event.revised = true
}

func (st *story) undo() {
	event := pick(st.rng, st.events)
	if len(event.windows) == 0 {
		return
	}
	window := &event.windows[st.rng.IntN(len(event.windows))]
	err := st.s.Events.Amend(st.Context(), event.id, func(now time.Time, known domain.Event) (*ports.Amendment, error) {
		next, _, err := known.UndoVoid(window.id, "it was right", 1, now)
		return &ports.Amendment{Event: next, Audit: next.AmendedBy(domain.Origin{}, domain.ActionUndoVoid, "", known)}, err
	})
	st.tell("window %d of event %d is undone: %v", window.id, event.id, err)
	isTrue(st.T, (err == nil) == !window.undone, "a window is undone once: %v", err)
	window.undone = true
}

func (st *story) deposit() {
	user, amount := pick(st.rng, st.users), st.cents()
	st.keys++
	payment := deposit(user.id, amount.String(), fmt.Sprintf("%d-%d", st.seed, st.keys))
	for range 1 + st.rng.IntN(2) {
		got := pay(st.T, st.s, payment)
		isTrue(st.T, got.Refusal.IsZero(), "a deposit is taken: %+v", got)
	}
	user.in.Add(user.in, rat(amount))
	st.tell("user %d gets %s", user.id, amount)
}

func (st *story) withdraw() {
	user := pick(st.rng, st.users)
	if st.rng.IntN(3) > 0 {
		st.withdrawAll(user)
		return
	}
	st.take(user, st.cents())
}

// withdrawAll withdraws the whole balance, so that a correction finds an empty wallet.
func (st *story) withdrawAll(user *oracleUser) {
	if net := st.net(user); net.Sign() > 0 {
		st.take(user, money.FromMinor(net.Num().Int64()))
	}
}

// regret lets a winner withdraw their payout and then makes the event lost or cancelled.
func (st *story) regret() {
	for _, bet := range st.bets {
		if bet.status == domain.StatusWon && !bet.event.known.EffectiveAt.After(bet.at) {
			st.withdrawAll(bet.user)
			st.change(bet.event, func(e *domain.LineEvent) {
				e.State = domain.StateFinishedLose + domain.State(st.rng.IntN(2))
				e.ResultRevision++
			})
			st.settle(bet.event)
			return
		}
	}
}

func (st *story) take(user *oracleUser, amount money.Amount) {
	st.keys++
	got := pay(st.T, st.s, withdrawal(user.id, amount.String(), fmt.Sprintf("%d-%d", st.seed, st.keys)))
	st.tell("user %d takes %s: %+v", user.id, amount, got.Refusal)
	possible := st.net(user).Cmp(rat(amount)) >= 0
	isTrue(st.T, got.Refusal.IsZero() == possible, "user %d takes %s: %+v", user.id, amount, got.Refusal)
	if possible {
		user.in.Sub(user.in, rat(amount))
	}
}

// checkTransfers compares each wallet with the sum of its transfers, and checks every step of the sum.
func (st *story) checkTransfers() {
	st.Helper()
	for _, user := range st.users {
		wallet, sum := readWallet(st.T, st.s, user.id), domain.Wallet{}
		for _, transfer := range transfersOf(st.T, st.s, ports.TransferFilter{UserID: user.id}) {
			sum = sum.After(transfer)
			isTrue(st.T, !sum.Balance.Less(money.Amount{}), "no wallet is ever negative: %+v", transfer)
		}
		isTrue(st.T, wallet.HasSameMoney(sum), "user %d has %+v, by their transfers %+v", user.id, wallet, sum)
	}
}

// check compares every wallet and every bet in the store with the model.
func (st *story) check() {
	st.Helper()
	for _, user := range st.users {
		wallet := readWallet(st.T, st.s, user.id)
		net, held := st.net(user), new(big.Rat)
		for _, bet := range st.bets {
			if bet.user == user && bet.status == domain.StatusPending {
				held.Add(held, bet.stake)
			}
		}
		balance, debt := net, new(big.Rat)
		if net.Sign() < 0 {
			balance, debt = new(big.Rat), new(big.Rat).Neg(net)
		}
		same := rat(wallet.Balance).Cmp(balance) == 0 && rat(wallet.Debt).Cmp(debt) == 0 && rat(wallet.Held).Cmp(held) == 0
		isTrue(st.T, same, "user %d has %s, owes %s, holds %s; the model says %s, %s, %s", user.id,
			wallet.Balance, wallet.Debt, wallet.Held, balance.RatString(), debt.RatString(), held.RatString())
		for _, stored := range allBets(st.T, st.s, ports.BetFilter{UserID: user.id}) {
			bet := st.bets[slices.IndexFunc(st.bets, func(b *oracleBet) bool { return b.id == stored.ID })]
			isTrue(st.T, stored.Status == bet.status && rat(stored.Payout).Cmp(bet.payout) == 0,
				"bet %d is %s and pays %s; the model says %s and %s", bet.id, stored.Status, stored.Payout, bet.status, bet.payout.RatString())
		}
	}
}
