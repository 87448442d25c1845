package pods

import (
	"encoding/binary"
	"net/netip"
	"sync"
)

// addresses hands out pod addresses, each to one pod at a time.
type addresses struct {
	mu    sync.Mutex
	next  uint32
	taken map[netip.Addr]bool
}

// podRange is 10.64.0.0/10: four million addresses, away from the range of services.
const (
	podRange     = 10<<24 | 64<<16
	podRangeSize = 1 << 22
)

func newAddresses() *addresses { return &addresses{next: 1, taken: map[netip.Addr]bool{}} }

func (a *addresses) acquire() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		var bytes [4]byte
		binary.BigEndian.PutUint32(bytes[:], podRange+a.next)
		a.next = a.next%(podRangeSize-2) + 1
		if address := netip.AddrFrom4(bytes); !a.taken[address] {
			a.taken[address] = true
			return address.String()
		}
	}
}

// keep marks the address of an adopted pod.
func (a *addresses) keep(text string) {
	a.mark(text, true)
}

func (a *addresses) release(text string) {
	a.mark(text, false)
}

func (a *addresses) mark(text string, taken bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return // a pod without an address
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if taken {
		a.taken[address] = true
		return
	}
	delete(a.taken, address)
}
