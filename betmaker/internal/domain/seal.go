package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
)

// Seal covers a range of transfers: those after the previous seal, up to Last. Its hash covers them
// and the hash of the previous seal. A sealed range in which a transfer
// is changed, removed, added or moved no longer fits its seal. To hide that, every later seal must be
// made again. The newest seal, the head, shows whether the end has been cut off.
type Seal struct {
	ID    int64 // from 1, without gaps; 0 for no seal yet
	Last  TransferID
	Count int64 // the number of transfers that it covers, at least one
	Hash  [sha256.Size]byte
	At    time.Time // when it was made; the hash does not cover it
}

// Next returns the seal after s. transfers are all transfers after s.Last up to the last one that
// the seal covers, in order of their ids.
func (s Seal) Next(transfers []Transfer, at time.Time) Seal {
	next := s.begin()
	for _, transfer := range transfers {
		next.add(transfer)
	}
	return next.end(at)
}

// sealing is a seal under construction.
type sealing struct {
	seal   Seal
	hash   hash.Hash
	buffer []byte
}

// begin begins the seal after s.
func (s Seal) begin() sealing {
	next := sealing{seal: Seal{ID: s.ID + 1, Last: s.Last}, hash: sha256.New()}
	next.hash.Write(s.Hash[:])
	next.buffer = binary.BigEndian.AppendUint64(nil, uint64(next.seal.ID))
	next.hash.Write(next.buffer)
	return next
}

// add adds the next transfer.
func (s *sealing) add(transfer Transfer) {
	s.buffer = transfer.AppendCanonical(s.buffer[:0])
	s.hash.Write(s.buffer)
	s.seal.Last = transfer.ID
	s.seal.Count++
}

func (s *sealing) end(at time.Time) Seal {
	s.hash.Sum(s.seal.Hash[:0])
	s.seal.At = at
	return s.seal
}

// String returns the seal as it is published: its number and its hash.
func (s Seal) String() string { return fmt.Sprintf("%d:%s", s.ID, hex.EncodeToString(s.Hash[:])) }

// ParseSeal is the inverse of String. The seal that it returns has only a number and a hash.
func ParseSeal(text string) (Seal, error) {
	number, digits, _ := strings.Cut(text, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 {
		return Seal{}, fmt.Errorf("%.100q is not a seal such as 12:0f3a..., a number and %d hexadecimal digits", text, 2*sha256.Size)
	}
	seal := Seal{ID: id}
	hash, err := hex.DecodeString(digits)
	if err != nil || copy(seal.Hash[:], hash) != sha256.Size || len(hash) != sha256.Size {
		return Seal{}, fmt.Errorf("%.100q is not a seal: after the number come %d hexadecimal digits", text, 2*sha256.Size)
	}
	return seal, nil
}
