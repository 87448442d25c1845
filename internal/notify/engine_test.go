package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// bench is an engine that runs on a clock of its own.
type bench struct {
	*Engine
	t        *testing.T
	log      *recorder
	plane    *plane
	outcomes *outcomes
	config   atomic.Pointer[Config]
	stop     func()
	cancel   func() // stops without waiting
	last     *v1alpha1.Application
}

// inBubble runs a test with an engine; time passes when all wait.
func inBubble(t *testing.T, data map[string]string, test func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, log: &recorder{}, plane: &plane{records: map[string]string{}}, outcomes: &outcomes{}}
		b.config.Store(parse(t, b.log, data))
		b.start()
		test(b)
		b.stop()
	})
}

func (b *bench) start() {
	b.Engine = NewEngine(Options{Config: b.config.Load, Applications: b.plane, Observer: b.outcomes, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); !errors.Is(err, context.Canceled) {
			b.t.Error(err)
		}
	}()
	b.stop, b.cancel = func() { cancel(); <-done }, cancel
}

// begin shows an application as one that was there.
func (b *bench) begin(a *v1alpha1.Application) {
	b.There(a)
	b.last = a
	b.rest()
}

// now shows the next state of the application.
func (b *bench) now(changes ...func(*v1alpha1.Application)) {
	next := b.last.DeepCopy()
	for _, change := range changes {
		change(next)
	}
	b.Changed(b.last, next)
	b.last = next
	b.rest()
}

// rest is the moment in which messages are sent and records written.
func (b *bench) rest() { b.pass(time.Second) }

// pass lets time pass on the bubble's clock, which moves when all goroutines wait: no test takes any.
func (b *bench) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) want(lines ...string) {
	b.t.Helper()
	if d := cmp.Diff(lines, b.log.take()); d != "" {
		b.t.Errorf("messages: -want +got\n%s", d)
	}
}

func pairs(a ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(a); i += 2 {
		out[a[i]] = a[i+1]
	}
	return out
}

// plain replaces the messages of the catalogue by short ones.
func plain(more ...string) map[string]string {
	out := pairs(more...)
	for _, name := range []string{"created", "deleted", "deployed", "health-degraded", "recovered", "sync-failed", "sync-running", "sync-succeeded", "sync-status-unknown", "out-of-sync"} {
		out["template.app-"+name] = "message: " + name + " {{.app.metadata.name}}{{with .app.status.operationState}}{{with .message}} {{.}}{{end}}{{end}}"
	}
	return out
}

func TestEpisodes(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(health(v1alpha1.HealthHealthy), "on-health-degraded", "on-recovered"))
		b.want()
		b.now(health(v1alpha1.HealthDegraded))
		b.want("room| health-degraded shop")
		b.now(func(a *v1alpha1.Application) { a.Status.Health.Message = "changed" })
		b.now(health(v1alpha1.HealthProgressing))
		b.now(health(v1alpha1.HealthDegraded)) // it flaps
		b.want()
		b.now(health(v1alpha1.HealthHealthy))
		b.want("room| recovered shop")
		b.now(health(v1alpha1.HealthDegraded))
		b.want("room| health-degraded shop")
		deployed := func(id int64) func(a *v1alpha1.Application) {
			return func(a *v1alpha1.Application) {
				a.Status.History = append(a.Status.History, v1alpha1.RevisionHistory{ID: id})
			}
		}
		b.now(operation(100, v1alpha1.OperationSucceeded, ""), deployed(0))
		b.want("room| health-degraded shop")
		b.now(operation(200, v1alpha1.OperationSucceeded, ""))
		b.want() // drift that is put back makes no news of it
		b.now(operation(300, v1alpha1.OperationSucceeded, ""), deployed(1))
		b.want("room| health-degraded shop")
		b.now(health(v1alpha1.HealthHealthy))
		b.want("room| recovered shop")
		b.now(health(v1alpha1.HealthDegraded))
		b.want("room| health-degraded shop")
	})
}

// TestOperations: of two operations that follow each other so fast that only their ends are stored, both are told.
func TestOperations(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(operation(100, v1alpha1.OperationSucceeded, "one"), "on-sync-succeeded", "on-sync-failed", "on-sync-running"))
		b.want()
		b.now(operation(200, v1alpha1.OperationSucceeded, "two"))
		b.want("room| sync-running shop", "room| sync-succeeded shop two")
		b.now(operation(300, v1alpha1.OperationRunning, ""))
		b.want("room| sync-running shop")
		b.now(operation(300, v1alpha1.OperationFailed, "three"))
		b.want("room| sync-failed shop three")
		b.now(operation(400, v1alpha1.OperationFailed, "four"))
		b.want("room| sync-running shop", "room| sync-failed shop four")
	})
}

// TestUnsettled: a status that is older than the end of the operation says nothing yet.
func TestUnsettled(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(health(v1alpha1.HealthHealthy), "on-sync-succeeded"))
		b.now(operation(200, v1alpha1.OperationRunning, ""))
		b.now(operation(200, v1alpha1.OperationSucceeded, "x"), func(a *v1alpha1.Application) { a.Status.ReconciledAt = &metav1.Time{Time: time.Unix(10, 0)} })
		b.want()
		b.now(func(a *v1alpha1.Application) { a.Status.ReconciledAt = &metav1.Time{Time: time.Unix(900, 0)} })
		b.want("room| sync-succeeded shop x")
	})
}

// TestStart: what was so before the first start is not told; what came while nothing ran is.
func TestStart(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		a := app(health(v1alpha1.HealthDegraded), "on-health-degraded", "on-created")
		b.begin(a)
		b.want()
		if r := b.plane.record("shop"); len(r) != 2 {
			t.Errorf("recorded: %v", r)
		}
		healthy := app(health(v1alpha1.HealthHealthy), "on-health-degraded")
		healthy.Name, healthy.UID = "calm", "2"
		b.begin(healthy)
		if b.plane.records["calm"] != "{}" {
			t.Errorf("the record of an application that is well is %q: the next start could not know that it was seen", b.plane.records["calm"])
		}
		b.stop()
		b.start()
		healthy = app(health(v1alpha1.HealthDegraded), "on-health-degraded")
		healthy.Name, healthy.UID, healthy.Annotations[AnnotationNotified] = "calm", "2", b.plane.records["calm"]
		b.begin(healthy)
		b.want("room| health-degraded calm")
		a = a.DeepCopy()
		a.Annotations[AnnotationNotified] = b.plane.records["shop"]
		b.begin(a)
		b.want() // once is enough, over restarts too
		fresh := app(nil, "on-created")
		fresh.Name, fresh.UID = "new", "3"
		b.Created(fresh)
		b.rest()
		b.want("room| created new")
	})
}

// TestStartInTheMiddle: a state that says nothing yet is no first look; and who subscribes later is known to the next start.
func TestStartInTheMiddle(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		late := func(a *v1alpha1.Application) { a.Status.ReconciledAt = &metav1.Time{Time: time.Unix(10, 0)} }
		b.begin(app(func(a *v1alpha1.Application) {
			operation(100, v1alpha1.OperationFailed, "no")(a)
			late(a)
		}, "on-sync-failed"))
		b.now(func(a *v1alpha1.Application) { a.Status.ReconciledAt = &metav1.Time{Time: time.Unix(900, 0)} })
		b.want() // it failed before we came
		b.now(operation(200, v1alpha1.OperationFailed, "again"))
		b.want("room| sync-failed shop again")
		calm := app(health(v1alpha1.HealthHealthy))
		calm.Name, calm.UID = "calm", "2"
		b.begin(calm)
		b.now(func(a *v1alpha1.Application) {
			a.Annotations["notifications.argoproj.io/subscribe.on-health-degraded.log"] = "room"
		})
		if b.plane.records["calm"] != "{}" {
			t.Errorf("the record is %q", b.plane.records["calm"])
		}
	})
}

func TestDeletion(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(nil, "on-deleted"))
		b.Gone(b.last)
		b.rest()
		b.want("room| deleted shop")
		other := app(nil, "on-deleted")
		other.UID = "2"
		b.Created(other)
		b.last = other
		b.now(func(a *v1alpha1.Application) { a.DeletionTimestamp = &metav1.Time{Time: time.Now()} })
		b.want("room| deleted shop")
		b.Gone(b.last)
		b.rest()
		b.want()
	})
}

func TestHeld(t *testing.T) {
	outOfSync := func(s v1alpha1.SyncStatusCode) func(*v1alpha1.Application) {
		return func(a *v1alpha1.Application) { a.Status.Sync.Status = s }
	}
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(outOfSync(v1alpha1.SyncStatusSynced), "on-out-of-sync"))
		b.now(outOfSync(v1alpha1.SyncStatusOutOfSync))
		b.pass(4 * time.Minute)
		b.want()
		b.now(outOfSync(v1alpha1.SyncStatusSynced))
		b.now(outOfSync(v1alpha1.SyncStatusOutOfSync))
		b.pass(4 * time.Minute)
		b.want()
		b.pass(2 * time.Minute)
		b.want("room| out-of-sync shop")
		b.pass(time.Hour)
		b.want()
	})
}

// TestClock: a condition that asks for the time comes to hold without a change.
func TestClock(t *testing.T) {
	data := plain("trigger.slow", "- when: app.status?.operationState?.phase == 'Running' and time.Now().Sub(time.Parse(app.status.operationState.startedAt)).Minutes() >= 5\n  send: [app-sync-running]")
	inBubble(t, data, func(b *bench) {
		b.begin(app(nil, "slow"))
		b.now(operation(time.Now().Unix(), v1alpha1.OperationRunning, ""))
		b.pass(3 * time.Minute)
		b.want()
		b.pass(4 * time.Minute)
		b.want("room| sync-running shop")
	})
}

// TestOncePer: what Argo CD's own trigger says once for a revision is said once for it.
func TestOncePer(t *testing.T) {
	data := plain("trigger.on-deployed", "- when: app.status?.operationState?.phase in ['Succeeded'] and app.status.health.status == 'Healthy'\n  oncePer: app.status.operationState?.syncResult?.revision\n  send: [app-deployed]")
	for name, settings := range map[string]map[string]string{"once for a revision": data, "once for an entry of the history": plain()} {
		inBubble(t, settings, func(b *bench) {
			deploy := func(begun, id int64, healthy bool) []func(*v1alpha1.Application) {
				status := v1alpha1.HealthProgressing
				if healthy {
					status = v1alpha1.HealthHealthy
				}
				return []func(*v1alpha1.Application){operation(begun, v1alpha1.OperationSucceeded, ""), health(status), func(a *v1alpha1.Application) {
					a.Status.History = append(a.Status.History, v1alpha1.RevisionHistory{ID: id})
				}}
			}
			b.begin(app(nil, "on-deployed"))
			b.now(deploy(100, 1, false)...)
			b.want()
			b.now(health(v1alpha1.HealthHealthy))
			b.want("room| deployed shop")
			b.now(health(v1alpha1.HealthDegraded))
			b.now(health(v1alpha1.HealthHealthy))
			b.want()
			b.now(deploy(200, 2, true)...) // the same revision
			if name == "once for a revision" {
				b.want()
			} else {
				b.want("room| deployed shop")
			}
		})
	}
}

// TestRetries: what may pass is tried again, in its order; what will not is told once and not tried again until it has ended.
func TestRetries(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.log.refuse(func(n int) error {
			if n <= 4 {
				return fault.New(fault.Transient, "503")
			}
			return nil
		})
		b.begin(app(health(v1alpha1.HealthHealthy), "on-health-degraded", "on-recovered"))
		b.now(health(v1alpha1.HealthDegraded))
		b.now(health(v1alpha1.HealthHealthy))
		b.pass(10 * time.Minute)
		b.want("room| health-degraded shop", "room| recovered shop")
		if r := b.plane.record("shop"); len(r) != 0 {
			t.Errorf("recorded after the end: %v", r)
		}
		b.log.refuse(func(int) error { return fault.New(fault.Denied, "no such channel") })
		b.now(health(v1alpha1.HealthDegraded))
		before := b.log.attempts()
		b.now(func(a *v1alpha1.Application) { a.Status.Health.Message = "still" })
		b.pass(3 * time.Hour)
		if more := b.log.attempts() - before; more != 0 {
			t.Errorf("a message that is refused was sent %d times more", more)
		}
		b.log.refuse(nil)
		b.Settings() // somebody mended it
		b.rest()
		b.want("room| health-degraded shop")
		b.log.refuse(func(int) error { return fault.New(fault.Transient, "down") })
		b.now(health(v1alpha1.HealthHealthy))
		b.now(health(v1alpha1.HealthDegraded))
		b.pass(3 * time.Hour)
		b.log.refuse(nil)
		b.rest()
		b.want()
	})
}

// TestMended: messages that wait go to the service as it is set up by then, and none keeps the others waiting for more than its hour.
func TestMended(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.log.refuse(func(int) error { return fault.New(fault.Transient, "no such host") })
		b.begin(app(nil, "on-sync-failed"))
		b.now(operation(100, v1alpha1.OperationFailed, "one"))
		b.pass(30 * time.Minute)
		b.now(operation(200, v1alpha1.OperationFailed, "two"))
		right := &recorder{}
		b.config.Store(parse(t, right, plain()))
		b.Settings()
		b.pass(10 * time.Minute)
		b.log = right
		b.want("room| sync-failed shop one", "room| sync-failed shop two")

		right.refuse(func(int) error { return fault.New(fault.Transient, "down") })
		for i := range 5 {
			b.now(operation(int64(300+i), v1alpha1.OperationFailed, "lost"))
		}
		b.pass(70 * time.Minute)
		right.refuse(nil)
		b.now(operation(400, v1alpha1.OperationFailed, "last"))
		b.want("room| sync-failed shop last")
		without := *b.config.Load()
		without.services = map[string]service{}
		b.config.Store(&without)
		b.now(operation(500, v1alpha1.OperationFailed, "nobody"))
		b.want()
	})
}

// TestManyWait: a service that is down costs no more memory than its bound, and none of others' messages.
func TestManyWait(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.log.refuse(func(int) error { return fault.New(fault.Transient, "down") })
		for i := range 2 * mostWaiting {
			a := app(nil, "on-created")
			a.Name, a.UID = fmt.Sprintf("a%03d", i), types.UID(fmt.Sprint(i))
			b.Created(a)
		}
		b.rest()
		b.outcomes.mu.Lock()
		given := len(b.outcomes.sent)
		b.outcomes.mu.Unlock()
		if given != mostWaiting {
			t.Errorf("%d messages were given up, want %d", given, mostWaiting)
		}
	})
}

// TestSettings: who subscribes everybody by the ConfigMap is not flooded with what was so before.
func TestSettings(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(health(v1alpha1.HealthDegraded)))
		b.config.Store(parse(t, b.log, plain("subscriptions", "- recipients: [log:all]\n  triggers: [on-health-degraded]")))
		b.Settings()
		b.rest()
		b.want()
		b.now(health(v1alpha1.HealthHealthy))
		b.now(health(v1alpha1.HealthDegraded))
		b.want("all| health-degraded shop")
		// An annotation is somebody's wish for this one.
		b.now(func(a *v1alpha1.Application) {
			a.Annotations["notifications.argoproj.io/subscribe.on-health-degraded.log"] = "me"
		})
		b.want("me| health-degraded shop")
	})
}

// TestRecordFails: a record that cannot be written is written later; messages are not sent twice for that.
func TestRecordFails(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(health(v1alpha1.HealthHealthy), "on-health-degraded"))
		b.plane.refuse(errors.New("the server is down"))
		b.now(health(v1alpha1.HealthDegraded))
		b.pass(time.Minute)
		b.now(func(a *v1alpha1.Application) { a.Status.Health.Message = "still" })
		b.want("room| health-degraded shop")
		b.plane.refuse(nil)
		b.pass(time.Minute)
		if r := b.plane.record("shop"); len(r) != 1 {
			t.Errorf("recorded: %v", r)
		}
		before := b.plane.writes
		b.pass(time.Hour)
		if b.plane.writes != before {
			t.Errorf("%d writes while nothing happened", b.plane.writes-before)
		}
	})
}

// TestStop: what was sent when the process is told to stop is recorded.
func TestStop(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		b.begin(app(health(v1alpha1.HealthHealthy), "on-health-degraded"))
		b.log.refuse(func(int) error { b.cancel(); return nil })
		b.now(health(v1alpha1.HealthDegraded))
		b.want("room| health-degraded shop")
		if r := b.plane.record("shop"); len(r) != 1 {
			t.Errorf("recorded: %v", r)
		}
	})
}

// TestSlowService: a service that hangs holds up none but itself, and never has more than some messages under way.
func TestSlowService(t *testing.T) {
	inBubble(t, plain(), func(b *bench) {
		slow := &hanging{}
		b.config.Load().services["slow"] = service{slow, "webhook", ""}
		b.begin(app(nil, "on-sync-failed"))
		b.now(func(a *v1alpha1.Application) {
			a.Annotations["notifications.argoproj.io/subscribe.on-sync-failed.slow"] = manyRecipients(50)
		})
		b.now(operation(100, v1alpha1.OperationFailed, "no"))
		b.want("room| sync-failed shop no")
		if n := slow.most.Load(); n != atOnce {
			t.Errorf("%d messages to one service were under way", n)
		}
	})
}

// hanging is a service that takes as long as it may.
type hanging struct{ now, most atomic.Int64 }

func (h *hanging) Send(ctx context.Context, _ Message, _ string) error {
	h.most.Store(max(h.most.Load(), h.now.Add(1)))
	defer h.now.Add(-1)
	<-ctx.Done()
	return fault.As(fault.Transient, ctx.Err())
}

// TestBroken: a service that panics, and a template that cannot be filled in, cost their own message.
func TestBroken(t *testing.T) {
	data := plain("template.bad", "message: '{{.app.metadata.name.deeper.still}}'", "trigger.bad", "- when: app.status?.health?.status == 'Degraded'\n  send: [bad]")
	inBubble(t, data, func(b *bench) {
		b.log.refuse(func(n int) error {
			if n == 1 {
				panic("x")
			}
			return nil
		})
		b.begin(app(health(v1alpha1.HealthHealthy), "on-health-degraded", "bad", "on-sync-failed"))
		b.now(health(v1alpha1.HealthDegraded))
		b.want()
		b.now(operation(100, v1alpha1.OperationFailed, "no"))
		b.want("room| sync-failed shop no")
		b.outcomes.mu.Lock()
		defer b.outcomes.mu.Unlock()
		text := strings.Join(b.outcomes.sent, "\n")
		if !strings.Contains(text, "template bad: message") || !strings.Contains(text, "broke") {
			t.Errorf("outcomes:\n%s", text)
		}
	})
}
