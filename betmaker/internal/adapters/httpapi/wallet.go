package httpapi

import (
	"context"
	"net/url"
	"strconv"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// GetWallet implements GET /api/wallet.
func (s *server) GetWallet(ctx context.Context, request oapi.GetWalletRequestObject) (oapi.GetWalletResponseObject, error) {
	user := domain.UserID(0)
	if request.Params.UserID != nil {
		user = domain.UserID(*request.Params.UserID)
	}
	wallet, err := s.Wallets.Wallet(ctx, actorFrom(ctx), user)
	if err != nil {
		return nil, err
	}
	return oapi.GetWallet200JSONResponse(wireWallet(wallet)), nil
}

// ListTransfers implements GET /api/wallet/transfers.
func (s *server) ListTransfers(ctx context.Context, request oapi.ListTransfersRequestObject) (oapi.ListTransfersResponseObject, error) {
	filter, filters, err := transferFilter(request.Params)
	if err != nil {
		return nil, err
	}
	limit := limitOr(request.Params.Limit)
	transfers, err := s.Wallets.Transfers(ctx, actorFrom(ctx), filter, limit+1)
	if err != nil {
		return nil, err
	}
	page, last := cut(transfers, limit)
	response := oapi.ListTransfers200JSONResponse{Body: all(page, wireTransfer)}
	if last != nil {
		response.Headers.Link = nextLink("/api/wallet/transfers", filters, formatCursor(int64(last.ID)), limit)
	}
	return response, nil
}

// transferFilter returns the filter of a request and the query for its next page.
func transferFilter(params oapi.ListTransfersParams) (ports.TransferFilter, url.Values, error) {
	before, err := parseCursor(params.After)
	if err != nil {
		return ports.TransferFilter{}, nil, err
	}
	filter, filters := ports.TransferFilter{Before: domain.TransferID(before)}, url.Values{}
	if params.UserID != nil {
		filter.UserID = domain.UserID(*params.UserID)
		filters.Set("user_id", strconv.FormatInt(*params.UserID, 10))
	}
	if params.Kind != nil {
		kind, ok := domain.ParseTransferKind(string(*params.Kind))
		if !ok {
			return ports.TransferFilter{}, nil, invalid("kind", "is not one of a transfer")
		}
		filter.Kind = kind
		filters.Set("kind", kind.String())
	}
	if params.BetID != nil {
		filter.BetID = domain.BetID(*params.BetID)
		filters.Set("bet_id", strconv.FormatInt(*params.BetID, 10))
	}
	return filter, filters, nil
}

// SetStakeLimit implements PUT /api/wallet/limit.
func (s *server) SetStakeLimit(ctx context.Context, request oapi.SetStakeLimitRequestObject) (oapi.SetStakeLimitResponseObject, error) {
	limit := money.Amount{}
	if request.Body.DailyStakeLimit != nil {
		limit = *request.Body.DailyStakeLimit
	}
	wallet, err := s.Wallets.LimitStakes(ctx, actorFrom(ctx), limit)
	if err != nil {
		return nil, err
	}
	return oapi.SetStakeLimit200JSONResponse(wireWallet(wallet)), nil
}

// SetExclusion implements PUT /api/wallet/exclusion.
func (s *server) SetExclusion(ctx context.Context, request oapi.SetExclusionRequestObject) (oapi.SetExclusionResponseObject, error) {
	wallet, err := s.Wallets.Exclude(ctx, actorFrom(ctx), request.Body.Until.Time)
	if err != nil {
		return nil, err
	}
	return oapi.SetExclusion200JSONResponse(wireWallet(wallet)), nil
}

// Deposit implements POST /api/users/{user_id}/deposits.
func (s *server) Deposit(ctx context.Context, request oapi.DepositRequestObject) (oapi.DepositResponseObject, error) {
	transfer, replayed, err := s.pay(ctx, domain.TransferDeposit, request.UserID, request.Params.IdempotencyKey, *request.Body)
	if err != nil {
		return nil, err
	}
	return oapi.Deposit201JSONResponse{
		Body: transfer, Headers: oapi.Deposit201ResponseHeaders{IdempotentReplayed: unlessZero(replayed)},
	}, nil
}

// Withdraw implements POST /api/users/{user_id}/withdrawals.
func (s *server) Withdraw(ctx context.Context, request oapi.WithdrawRequestObject) (oapi.WithdrawResponseObject, error) {
	transfer, replayed, err := s.pay(ctx, domain.TransferWithdrawal, request.UserID, request.Params.IdempotencyKey, *request.Body)
	if err != nil {
		return nil, err
	}
	return oapi.Withdraw201JSONResponse{
		Body: transfer, Headers: oapi.Withdraw201ResponseHeaders{IdempotentReplayed: unlessZero(replayed)},
	}, nil
}

// pay moves money into or out of a wallet. It returns a refusal as an error.
func (s *server) pay(
	ctx context.Context, kind domain.TransferKind, user oapi.UserID, key string, body oapi.NewPayment,
) (transfer oapi.Transfer, replayed bool, err error) {
	payment := domain.Payment{UserID: domain.UserID(user), Kind: kind, Amount: body.Amount, IdempotencyKey: key}
	if body.Reference != nil {
		payment.Reference = *body.Reference
	}
	decision, err := s.Wallets.Pay(ctx, callerFrom(ctx), payment)
	switch {
	case err != nil:
		return oapi.Transfer{}, false, err
	case decision.Refusal.IsZero():
		return wireTransfer(decision.Transfer), decision.Replayed, nil
	case decision.Replayed:
		return oapi.Transfer{}, true, &replayedError{decision.Refusal.Fault(), decision.RequestID}
	default:
		return oapi.Transfer{}, false, decision.Refusal.Fault()
	}
}
