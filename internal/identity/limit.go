package identity

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// Limits bound how often somebody may guess. Failures are counted in the memory of one replica.
type Limits struct {
	// PerAccount failures of one name, whether there is such an account or not, close it to everybody for Window. Default 5.
	PerAccount int
	// PerAddress failures from one address close it for Window. Default 25: many people may share one.
	PerAddress int
	// Window is how long a failure counts after the last one. Default 5 minutes.
	Window time.Duration
	// Entries bound names that are no accounts, and addresses. Default 10,000 of each. The oldest are forgotten first; those of accounts never.
	Entries int
}

func (l Limits) withDefaults() Limits {
	if l.PerAccount <= 0 {
		l.PerAccount = 5
	}
	if l.PerAddress <= 0 {
		l.PerAddress = 25
	}
	if l.Window <= 0 {
		l.Window = 5 * time.Minute
	}
	if l.Entries <= 0 {
		l.Entries = 10_000
	}
	return l
}

type limiter struct {
	limits Limits
	mu     sync.Mutex
	// known counts accounts, which a flood of other names must not push out.
	known, strangers, addresses *counter
}

func newLimiter(limits Limits) *limiter {
	limits = limits.withDefaults()
	return &limiter{limits: limits, known: newCounter(1 << 30), strangers: newCounter(limits.Entries), addresses: newCounter(limits.Entries)}
}

// attempt is a login that counts as failed until it has succeeded, so that guesses made at the same time are not all free.
type attempt struct {
	names, addresses *counter
	name, address    string
}

// begin counts an attempt, or says how long to wait.
func (l *limiter) begin(name, address string, known bool, now time.Time) (attempt, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := attempt{names: l.strangers, addresses: l.addresses, name: name, address: network(address)}
	if known {
		a.names = l.known
	}
	wait := max(a.names.wait(a.name, l.limits.PerAccount, l.limits.Window, now), 0)
	if a.address != "" {
		wait = max(wait, a.addresses.wait(a.address, l.limits.PerAddress, l.limits.Window, now))
	}
	if wait > 0 {
		return a, wait
	}
	a.names.add(a.name, l.limits.Window, now)
	if a.address != "" {
		a.addresses.add(a.address, l.limits.Window, now)
	}
	return a, 0
}

// succeed forgets the failures of the account, and takes the attempt itself back from its address: somebody who has an account
// must not be able to clear the count of an address with it.
func (l *limiter) succeed(a attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.names.forget(a.name)
	a.addresses.takeBack(a.address)
}

// network is what addresses are counted by: IPv6 users have a whole /64 at hand.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if ap, perr := netip.ParseAddrPort(address); perr == nil {
			ip = ap.Addr()
		} else {
			if len(address) > 64 {
				address = address[:64]
			}
			return address
		}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// counter counts failures by name, in the order of their last one.
type counter struct {
	limit int
	byKey map[string]*list.Element
	order *list.List // oldest first
}

type failures struct {
	key   string
	count int
	last  time.Time
}

func newCounter(limit int) *counter {
	return &counter{limit: limit, byKey: map[string]*list.Element{}, order: list.New()}
}

func (c *counter) wait(key string, limit int, window time.Duration, now time.Time) time.Duration {
	e := c.byKey[key]
	if e == nil {
		return 0
	}
	f := e.Value.(*failures)
	if f.count < limit {
		return 0
	}
	return f.last.Add(window).Sub(now)
}

func (c *counter) add(key string, window time.Duration, now time.Time) {
	for e := c.order.Front(); e != nil; e = c.order.Front() {
		f := e.Value.(*failures)
		if now.Before(f.last.Add(window)) && c.order.Len() < c.limit {
			break
		}
		if f.key == key && now.Before(f.last.Add(window)) {
			break
		}
		c.forget(f.key)
	}
	if e := c.byKey[key]; e != nil {
		f := e.Value.(*failures)
		f.count++
		f.last = now
		c.order.MoveToBack(e)
		return
	}
	c.byKey[key] = c.order.PushBack(&failures{key: key, count: 1, last: now})
}

func (c *counter) forget(key string) {
	if e := c.byKey[key]; e != nil {
		c.order.Remove(e)
		delete(c.byKey, key)
	}
}

func (c *counter) takeBack(key string) {
	if e := c.byKey[key]; e != nil {
		f := e.Value.(*failures)
		if f.count--; f.count <= 0 {
			c.forget(key)
		}
	}
}
