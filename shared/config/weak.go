package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"stavka.local/shared/password"
)

// minPassword is the least length in bytes of a password that a URL holds.
const minPassword = 8

// everybodyKnows is the weakness of a secret that stands in a list.
const everybodyKnows = "everybody knows"

// public are the secrets that the programs and docker-compose.yml have as defaults.
var public = []string{DefaultServiceToken, "guest", "not-a-secret", "postgres", "redis", "string"}

// weakness returns how a secret is easy to guess, in words that follow "that", or "" if it is not.
// The secret is the text that is used: no longer percent-encoded.
func weakness(text string, minLength int) string {
	folded := strings.ToLower(text)
	switch {
	case slices.Contains(public, folded):
		return everybodyKnows
	case len(text) < minLength:
		return fmt.Sprintf("is shorter than %d characters", minLength)
	case password.IsCommon(text):
		return everybodyKnows
	case repeatsItself(folded), minLength >= longSecret && countDifferent(folded) < leastDifferent:
		return "repeats itself"
	case isSequence(folded):
		return "counts up or down"
	}
	return ""
}

const (
	// longestPart is the longest part that, repeated, makes a secret no better.
	longestPart = 15
	// longSecret is the least length of secrets that nobody remembers. They are made by a program, and have
	// leastDifferent characters.
	longSecret     = 32
	leastDifferent = 6
)

// repeatsItself reports whether the text consists of a short part, twice or more often. The last time the
// part may be cut off.
func repeatsItself(text string) bool {
	for part := 1; part <= min(longestPart, len(text)/2); part++ {
		if text[part:] == text[:len(text)-part] {
			return true
		}
	}
	return false
}

func countDifferent(text string) int {
	different := make(map[rune]bool)
	for _, r := range text {
		different[r] = true
	}
	return len(different)
}

// isSequence reports whether the text consists of at most three runs of characters of which each follows,
// or precedes, the one before.
func isSequence(text string) bool {
	var before, step rune
	breaks := 0
	for i, r := range text {
		next := r - before
		switch {
		case i == 0:
		case (next == 1 || next == -1) && (step == 0 || step == next):
			step = next
		default:
			step = 0
			breaks++
		}
		before = r
	}
	return text != "" && breaks < 3
}

// Login is what a URL signs in with, as the library reads it that connects.
type Login struct {
	User, Password string

	// Otherwise is set when no password is needed, because a certificate or the socket's owner is known.
	Otherwise bool
}

// Login judges what the URL in a variable signs in with: a password that is missing, the user's name or easy to guess
// is weak, see Weak.
func (r *Reader) Login(name string, login Login) {
	switch {
	case login.Password == "" && login.Otherwise:
	case login.Password == "":
		r.Weak(name, "holds no password")
	case strings.EqualFold(login.Password, login.User) && weakness(login.Password, 0) != everybodyKnows:
		r.Weak(name, "holds a password that is the user's name")
	default:
		if why := weakness(login.Password, minPassword); why != "" {
			r.Weak(name, "holds a password that "+why)
		}
	}
}

// judge judges the secret of a variable.
func (r *Reader) judge(name, text, def string, minLength int) {
	why := weakness(text, minLength)
	switch {
	case text == "" && minLength == 0, why == "" && (text == "" || text != def):
		return
	case text != "" && text == def:
		why = "is the default that everybody knows"
	case why == everybodyKnows:
		why = "is one that everybody knows"
	}
	r.Weak(name, why)
}

// Weak records a setting that lets strangers in, such as a secret that is easy to guess: a warning, and a problem in
// production. Only the first of a variable counts.
func (r *Reader) Weak(name, why string) {
	if r.weak[name] {
		return
	}
	r.weak[name] = true
	if r.production {
		r.Problemf(name, "%s, which STAVKA_ENV=%s refuses", why, Production)
		return
	}
	r.Warn(name, why)
}

// Warn records a setting that is accepted everywhere and should be looked at.
func (r *Reader) Warn(name, why string) { r.warnings = append(r.warnings, name+" "+why) }

// Networks reads addresses and networks, separated by commas, of machines that are believed. IPv4 written as
// IPv6 (::ffff:10.0.0.0/104) is IPv4. More than a 32nd of all addresses is weak, see Weak.
func (r *Reader) Networks(name, meaning string) []netip.Prefix {
	var list []netip.Prefix
	for text := range strings.SplitSeq(r.String(name, "", meaning), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if address, notNetwork := netip.ParseAddr(text); notNetwork == nil && address.Zone() == "" {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			r.Problemf(name, "%s is neither an address nor a network such as 10.0.0.0/8", Quote(text))
			break
		}
		if mapped := network.Addr(); mapped.Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(mapped.Unmap(), network.Bits()-96)
		}
		list = append(list, network.Masked())
	}
	if count(list, netip.Addr.Is4) > mostBelieved || count(list, netip.Addr.Is6) > mostBelieved {
		r.Weak(name, "holds so many addresses that strangers are believed, too")
	}
	return list
}

// Addresses are counted in parts of their family, all of which are allAddresses. Networks of IPv6 too small for one
// part do not count.
const (
	bitsCounted  = 32
	allAddresses = int64(1) << bitsCounted
	mostBelieved = allAddresses / 32
)

// count returns how many addresses of one family the networks hold.
func count(networks []netip.Prefix, family func(netip.Addr) bool) int64 {
	wideFirst := slices.SortedFunc(slices.Values(networks), func(a, b netip.Prefix) int { return cmp.Compare(a.Bits(), b.Bits()) })
	var counted []netip.Prefix
	total := int64(0)
	for _, n := range wideFirst {
		if !family(n.Addr()) || n.Bits() > bitsCounted || slices.ContainsFunc(counted, n.Overlaps) {
			continue
		}
		counted = append(counted, n)
		total += allAddresses >> n.Bits()
	}
	return total
}
