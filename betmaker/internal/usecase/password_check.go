package usecase

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"stavka.local/betmaker/internal/domain"
)

// Purpose is why a password is checked.
type Purpose string

// The purposes.
const (
	ForLogin  Purpose = "login"
	ForChange Purpose = "change" // of the user's own account
)

// CheckResult is how the check of a password ended.
type CheckResult string

// The results.
const (
	CheckSucceeded CheckResult = "succeeded"
	CheckWrong     CheckResult = "wrong"     // the name or the password
	CheckThrottled CheckResult = "throttled" // too many were wrong before
	CheckInactive  CheckResult = "inactive"  // the password is right, but the user is deactivated
	CheckFailed    CheckResult = "failed"    // for no fault of the client
)

// Purposes returns all purposes.
func Purposes() []Purpose { return []Purpose{ForLogin, ForChange} }

// CheckResults returns all results.
func CheckResults() []CheckResult {
	return []CheckResult{CheckSucceeded, CheckWrong, CheckThrottled, CheckInactive, CheckFailed}
}

// checkResult returns the result that an error of a check stands for.
func checkResult(err error) CheckResult {
	switch {
	case err == nil:
		return CheckSucceeded
	case errors.Is(err, domain.ErrInvalidCredentials), errors.Is(err, domain.ErrCurrentPassword):
		return CheckWrong
	case errors.Is(err, domain.ErrThrottled):
		return CheckThrottled
	case errors.Is(err, domain.ErrUserInactive):
		return CheckInactive
	default:
		return CheckFailed
	}
}

// report logs and counts the check of a password. user is 0 if the name is not a user's. The name itself
// is not logged, because users may type a password in its place.
func (t *LoginThrottle) report(ctx context.Context, purpose Purpose, user domain.UserID, address netip.Addr, err error) {
	result := checkResult(err)
	if t.Checked != nil {
		t.Checked(purpose, result)
	}
	if result == CheckFailed {
		return // the edge logs the error
	}
	level := slog.LevelInfo
	if result == CheckThrottled {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("purpose", string(purpose)), slog.String("result", string(result))}
	if user != 0 {
		attrs = append(attrs, slog.Int64("user", int64(user)))
	}
	if address.IsValid() {
		attrs = append(attrs, slog.String("client", address.String()))
	}
	t.log.LogAttrs(ctx, level, "password checked", attrs...)
}
