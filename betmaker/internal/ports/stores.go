package ports

// Stores is every store of bet-maker. An adapter provides all of them.
type Stores struct {
	Placements    Placements
	Events        Events
	Clock         Clock
	Cursors       Cursors
	Settlements   Settlements
	Bets          Bets
	Users         Users
	LoginFailures LoginFailures
	Wallets       Wallets
	AuditLog      AuditLog
	Ledger        Ledger
}
