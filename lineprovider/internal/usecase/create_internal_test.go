package usecase

import (
	"testing"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/fieldtest"
)

// A key must not return the event of another offer.
func TestFingerprintCoversEveryFieldOfAnOffer(t *testing.T) {
	t.Parallel()
	offer := fieldtest.Full[domain.Offer](t)
	for name, other := range fieldtest.Variants(t, offer) {
		if fingerprint(other) == fingerprint(offer) {
			t.Errorf("the fingerprint leaves out %s", name)
		}
	}
}
