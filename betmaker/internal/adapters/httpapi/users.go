package httpapi

import (
	"context"
	"net/url"
	"strconv"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/httpedge"
)

// IssueToken implements POST /token.
func (s *server) IssueToken(ctx context.Context, request oapi.IssueTokenRequestObject) (oapi.IssueTokenResponseObject, error) {
	credentials := usecase.Credentials{Address: clientFrom(ctx)}
	switch {
	case request.JSONBody != nil:
		credentials.Username, credentials.Password = request.JSONBody.Username, request.JSONBody.Password
	case request.FormdataBody != nil:
		credentials.Username, credentials.Password = request.FormdataBody.Username, request.FormdataBody.Password
	default: // a media type in capitals, which is valid and which the generated server does not match
		return nil, httpedge.ErrUnsupportedMediaType
	}
	token, err := s.Login.Login(ctx, credentials)
	if err != nil {
		return nil, err
	}
	return oapi.IssueToken200JSONResponse{
		Body: oapi.Token{
			AccessToken: token.Token,
			TokenType:   oapi.TokenTypeBearer,
			ExpiresIn:   int64(token.Valid.Seconds()),
		},
		Headers: oapi.IssueToken200ResponseHeaders{CacheControl: "no-store"},
	}, nil
}

// GetCurrentUser implements GET /api/users/me.
func (s *server) GetCurrentUser(ctx context.Context, _ oapi.GetCurrentUserRequestObject) (oapi.GetCurrentUserResponseObject, error) {
	actor := actorFrom(ctx)
	user, err := s.Users.User(ctx, actor, actor.ID)
	if err != nil {
		return nil, err
	}
	return oapi.GetCurrentUser200JSONResponse(wireUser(user)), nil
}

// GetUser implements GET /api/users/{user_id}.
func (s *server) GetUser(ctx context.Context, request oapi.GetUserRequestObject) (oapi.GetUserResponseObject, error) {
	user, err := s.Users.User(ctx, actorFrom(ctx), domain.UserID(request.UserID))
	if err != nil {
		return nil, err
	}
	return oapi.GetUser200JSONResponse(wireUser(user)), nil
}

// ChangeUser implements PATCH /api/users/{user_id}.
func (s *server) ChangeUser(ctx context.Context, request oapi.ChangeUserRequestObject) (oapi.ChangeUserResponseObject, error) {
	user, err := s.Users.Change(ctx, callerFrom(ctx), domain.UserID(request.UserID), userChange(*request.Body))
	if err != nil {
		return nil, err
	}
	return oapi.ChangeUser200JSONResponse(wireUser(user)), nil
}

// DeactivateUser implements DELETE /api/users/{user_id}.
func (s *server) DeactivateUser(ctx context.Context, request oapi.DeactivateUserRequestObject) (oapi.DeactivateUserResponseObject, error) {
	if err := s.Users.Deactivate(ctx, callerFrom(ctx), domain.UserID(request.UserID), nil); err != nil {
		return nil, err
	}
	return oapi.DeactivateUser204Response{}, nil
}

// DeactivateCurrentUser implements POST /api/users/me/deactivate.
func (s *server) DeactivateCurrentUser(
	ctx context.Context, request oapi.DeactivateCurrentUserRequestObject,
) (oapi.DeactivateCurrentUserResponseObject, error) {
	caller := callerFrom(ctx)
	if err := s.Users.Deactivate(ctx, caller, caller.ID, &request.Body.CurrentPassword); err != nil {
		return nil, err
	}
	return oapi.DeactivateCurrentUser204Response{}, nil
}

// SignOut implements POST /api/users/me/sign-out.
func (s *server) SignOut(ctx context.Context, _ oapi.SignOutRequestObject) (oapi.SignOutResponseObject, error) {
	if err := s.Users.SignOut(ctx, callerFrom(ctx)); err != nil {
		return nil, err
	}
	return oapi.SignOut204Response{}, nil
}

// ListUsers implements GET /api/users.
func (s *server) ListUsers(ctx context.Context, request oapi.ListUsersRequestObject) (oapi.ListUsersResponseObject, error) {
	after, err := parseCursor(request.Params.After)
	if err != nil {
		return nil, err
	}
	limit := limitOr(request.Params.Limit)
	users, err := s.Users.List(ctx, actorFrom(ctx), domain.UserID(after), limit+1)
	if err != nil {
		return nil, err
	}
	page, last := cut(users, limit)
	response := oapi.ListUsers200JSONResponse{Body: all(page, wireUser)}
	if last != nil {
		response.Headers.Link = nextLink("/api/users", url.Values{}, formatCursor(int64(last.ID)), limit)
	}
	return response, nil
}

// CreateUser implements POST /api/users.
func (s *server) CreateUser(ctx context.Context, request oapi.CreateUserRequestObject) (oapi.CreateUserResponseObject, error) {
	user, err := s.Users.Create(ctx, callerFrom(ctx), newUser(*request.Body), request.Body.Password)
	if err != nil {
		return nil, err
	}
	return oapi.CreateUser201JSONResponse{
		Body:    wireUser(user),
		Headers: oapi.CreateUser201ResponseHeaders{Location: "/api/users/" + strconv.FormatInt(int64(user.ID), 10)},
	}, nil
}
