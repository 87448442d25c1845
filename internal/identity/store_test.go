package identity

import (
	"context"
	"crypto/rand"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// memory is a store with the optimistic concurrency of Kubernetes.
type memory struct {
	mu       sync.Mutex
	version  int
	config   map[string]string
	secrets  map[string]Secret
	projects map[string]*v1alpha1.AppProject
	// before runs ahead of each write, once per name, without the lock: somebody else comes first.
	before map[string]func()
	fail   error // of reads of the Secret of ended sessions
	writes int
}

func newMemory() *memory {
	return &memory{config: map[string]string{}, secrets: map[string]Secret{}, projects: map[string]*v1alpha1.AppProject{}, before: map[string]func(){}}
}

func (m *memory) Config(context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.config), nil
}

func copied(s Secret) Secret {
	s.Labels, s.Annotations, s.Data = maps.Clone(s.Labels), maps.Clone(s.Annotations), maps.Clone(s.Data)
	return s
}

func (m *memory) Secret(_ context.Context, name string) (Secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == RevokedSecretName && m.fail != nil {
		return Secret{}, m.fail
	}
	s, ok := m.secrets[name]
	if !ok {
		return Secret{}, fault.New(fault.NotFound, "Secret %s does not exist", name)
	}
	return copied(s), nil
}

func (m *memory) first(name string) {
	m.mu.Lock()
	run := m.before[name]
	delete(m.before, name)
	m.mu.Unlock()
	if run != nil {
		run()
	}
}

func (m *memory) next() string {
	m.version++
	m.writes++
	return strconv.Itoa(m.version)
}

func (m *memory) PutSecret(_ context.Context, s Secret) error {
	m.first(s.Name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.secrets[s.Name].Version != s.Version {
		return fault.New(fault.Conflict, "Secret %s was changed", s.Name)
	}
	s = copied(s)
	s.Version = m.next()
	m.secrets[s.Name] = s
	return nil
}

func (m *memory) Project(_ context.Context, name string) (*v1alpha1.AppProject, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.projects[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "project %s does not exist", name)
	}
	return p.DeepCopy(), nil
}

func (m *memory) PutProject(_ context.Context, p *v1alpha1.AppProject) error {
	m.first(p.Name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.projects[p.Name].ResourceVersion != p.ResourceVersion {
		return fault.New(fault.Conflict, "project %s was changed", p.Name)
	}
	p = p.DeepCopy()
	p.ResourceVersion = m.next()
	m.projects[p.Name] = p
	return nil
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type world struct {
	*Authority
	store *memory
	clock *clock
}

const goodPassword = "correct horse"

// newWorld has the accounts admin, ci (with apiKey and login) and bot (apiKey), and project shop with role deployer.
func newWorld(t *testing.T) world {
	t.Helper()
	w := world{store: newMemory(), clock: &clock{at: time.Date(2026, 11, 26, 12, 0, 0, 300e6, time.UTC)}}
	w.store.config = map[string]string{"accounts.ci": "apiKey, login", "accounts.bot": "apiKey"}
	w.store.projects["shop"] = &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "shop", ResourceVersion: "0"},
		Spec: v1alpha1.AppProjectSpec{Roles: []v1alpha1.ProjectRole{{Name: "deployer"}}}}
	w.Authority = w.replica(t)
	ctx := t.Context()
	if made, err := w.Bootstrap(ctx); err != nil || !made {
		t.Fatalf("bootstrap: %t, %v", made, err)
	}
	for _, name := range []string{Admin, "ci"} {
		if err := w.ChangePassword(ctx, name, goodPassword); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.move(2 * time.Second)
	return w
}

// replica is another process on the same objects.
func (w world) replica(t *testing.T) *Authority {
	t.Helper()
	a, err := New(Options{Store: w.store, Now: w.clock.now, Random: rand.Reader, Cost: 4})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (w world) logIn(t *testing.T, name string) string {
	t.Helper()
	token, _, err := w.LogIn(t.Context(), name, goodPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// refused wants a refusal with a word in it.
func refused(t *testing.T, err error, word string) {
	t.Helper()
	if !fault.Is(err, fault.Denied) {
		t.Fatalf("error is %v, want one of kind Denied", err)
	}
	if got := err.Error(); word != "" && !strings.Contains(got, word) {
		t.Errorf("error is %q, want %q in it", got, word)
	}
}
