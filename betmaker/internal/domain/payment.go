package domain

import (
	"crypto/sha256"
	"fmt"
	"time"
	"unicode/utf8"

	"stavka.local/shared/fault"
	"stavka.local/shared/money"
	"stavka.local/shared/plaintext"
)

// Payment is an administrator's request to move money into or out of a user's wallet.
type Payment struct {
	UserID    UserID
	Kind      TransferKind // TransferDeposit or TransferWithdrawal
	Amount    money.Amount
	Reference string
	// IdempotencyKey makes the request safe to repeat. Its scope is the administrator and Kind.
	IdempotencyKey string
	Origin
}

// Limits of one payment, and of its reference in characters.
var maxPayment = money.MustParse("99999999999.99")

const maxReference = 200

// ErrInvalidPayment is the fault of a malformed payment.
var ErrInvalidPayment = fault.New(fault.Invalid, "invalid_request", "The payment is malformed.")

// Validate returns ErrInvalidPayment, with the field, if the payment is malformed.
func (p Payment) Validate() error {
	switch {
	case !p.Amount.IsPositive():
		return ErrInvalidPayment.Detailf("amount must be at least 0.01.").With("field", "amount")
	case utf8.RuneCountInString(p.Reference) > maxReference:
		return ErrInvalidPayment.Detailf("reference must have at most %d characters.", maxReference).With("field", "reference")
	}
	if problem := plaintext.Problem(p.Reference); p.Reference != "" && problem != "" {
		return ErrInvalidPayment.Detailf("reference %s.", problem).With("field", "reference")
	}
	return nil
}

// Operation returns the operation that scopes the payment's key.
func (p Payment) Operation() Operation {
	if p.Kind == TransferWithdrawal {
		return OperationWithdrawal
	}
	return OperationDeposit
}

// Fingerprint returns the SHA-256 of the content of the request.
func (p Payment) Fingerprint() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "payment|%d|%d|%d|%s", p.UserID, p.Kind, p.Amount.Minor(), p.Reference))
}

// PaymentVerdict is the decision about a payment: a transfer or a refusal.
type PaymentVerdict struct {
	Fingerprint [sha256.Size]byte
	Transfer    Transfer // zero if refused
	Refusal     Refusal  // zero if paid
	RequestID   string   // of the request that was decided
}

// PaymentSet is the input for deciding a payment. It was read under the locks of the wallets of the
// user and of the administrator.
type PaymentSet struct {
	Now    time.Time
	Wallet Wallet
	// Verdict is the earlier verdict on the same key; nil for none.
	Verdict *PaymentVerdict
}

// PaymentDecision is the answer to a payment.
type PaymentDecision struct {
	PaymentVerdict
	Replayed bool
	// Transfers are to be written. The verdict's own is the first.
	Transfers []Transfer
	Wallet    Wallet      // afterwards
	Audit     AuditRecord // of a payment that was made
	// Err is set if there is no verdict to store.
	Err error
}

// IsNew reports whether the store has to write the verdict.
func (d PaymentDecision) IsNew() bool { return d.Err == nil && !d.Replayed }

// Decide decides a valid payment. A deposit is always accepted up to the largest balance and first
// repays debt. A withdrawal needs a sufficient balance and no debt.
func (s PaymentSet) Decide(p Payment) PaymentDecision {
	verdict := PaymentVerdict{Fingerprint: p.Fingerprint(), RequestID: p.RequestID}
	if known := s.Verdict; known != nil {
		if known.Fingerprint != verdict.Fingerprint {
			return PaymentDecision{Err: ErrKeyReused}
		}
		return PaymentDecision{PaymentVerdict: *known, Replayed: true}
	}
	transfer := Transfer{
		UserID: p.UserID, Debit: AccountExternal, Credit: AccountWallet, Amount: p.Amount, Kind: p.Kind,
		Reference: p.Reference, At: s.Now,
	}
	switch {
	case p.Kind == TransferDeposit && maxPayment.Less(s.Wallet.Balance.Plus(p.Amount)):
		verdict.Refusal = Refusal{Code: RefusedBalanceTooLarge, Max: maxPayment}
	case p.Kind == TransferDeposit:
	case s.Wallet.Debt.IsPositive():
		verdict.Refusal = Refusal{Code: RefusedDebt, Debt: s.Wallet.Debt}
	case s.Wallet.Balance.Less(p.Amount):
		verdict.Refusal = Refusal{Code: RefusedWithdrawal, Max: s.Wallet.Balance}
	default:
		transfer.Debit, transfer.Credit = AccountWallet, AccountExternal
	}
	decision := PaymentDecision{PaymentVerdict: verdict, Wallet: s.Wallet}
	if verdict.Refusal.IsZero() {
		decision.Wallet, decision.Transfers = s.Wallet.move(transfer)
		decision.Transfer = decision.Transfers[0]
		decision.Audit = NewAuditRecord(p.Origin, "wallet."+p.Kind.String(), UserSubject(p.UserID), p.Reference,
			s.Wallet.money(), decision.Wallet.money())
	}
	return decision
}

// walletMoney is a wallet in the audit log.
type walletMoney struct {
	Balance money.Amount `json:"balance"`
	Debt    money.Amount `json:"debt"`
}

func (w Wallet) money() walletMoney { return walletMoney{w.Balance, w.Debt} }
