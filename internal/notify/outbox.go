package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

const (
	// firstRetry doubles up to lastRetry, until a message is giveUp old. Every message has one attempt at least.
	firstRetry = 2 * time.Second
	lastRetry  = 5 * time.Minute
	giveUp     = time.Hour
	// patience bounds one attempt.
	patience = time.Minute
	// mostWaiting bounds the messages that wait for one destination, and all in all.
	mostWaiting    = 200
	mostWaitingAll = 5000
	// atOnce bounds the messages that are on their way to one service.
	atOnce = 8
)

var errFull = errors.New("too many messages wait for the service")

// letter is a rendered message on its way.
type letter struct {
	due
	known   *known
	app     *v1alpha1.Application
	message Message
	// until is when it is given up.
	until time.Time
}

// outbox sends messages: to each destination in their order, to different ones side by side.
type outbox struct {
	// find returns a service as it is set up at the moment; nil when there is none of that name any more.
	find  func(name string) Service
	ended func(l letter, err error)

	mu      sync.Mutex
	ctx     context.Context // set once it runs
	queues  map[Destination][]letter
	turns   map[string]chan struct{} // by service
	waiting int
	work    sync.WaitGroup
}

func newOutbox(find func(string) Service, ended func(letter, error)) *outbox {
	return &outbox{find: find, ended: ended, queues: map[Destination][]letter{}, turns: map[string]chan struct{}{}}
}

// run sends until ctx ends.
func (o *outbox) run(ctx context.Context) {
	o.mu.Lock()
	o.ctx = ctx
	for to := range o.queues {
		o.work.Go(func() { o.serve(ctx, to) })
	}
	o.mu.Unlock()
	<-ctx.Done()
	o.work.Wait()
}

// post takes a message. When too many wait, it is given up.
func (o *outbox) post(l letter) {
	o.mu.Lock()
	queue, served := o.queues[l.to]
	if len(queue) >= mostWaiting || o.waiting >= mostWaitingAll {
		o.mu.Unlock()
		o.ended(l, errFull)
		return
	}
	o.queues[l.to] = append(queue, l)
	o.waiting++
	if !served && o.ctx != nil && o.ctx.Err() == nil {
		o.work.Go(func() { o.serve(o.ctx, l.to) })
	}
	o.mu.Unlock()
}

// turn waits for a place among the messages to a service, and returns how to leave it.
func (o *outbox) turn(ctx context.Context, service string) (leave func(), err error) {
	o.mu.Lock()
	turns, ok := o.turns[service]
	if !ok {
		turns = make(chan struct{}, atOnce)
		o.turns[service] = turns
	}
	o.mu.Unlock()
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve sends what waits for a destination, and ends when nothing does.
func (o *outbox) serve(ctx context.Context, to Destination) {
	for {
		o.mu.Lock()
		queue := o.queues[to]
		if len(queue) == 0 {
			delete(o.queues, to)
			o.mu.Unlock()
			return
		}
		l := queue[0]
		o.mu.Unlock()
		err := o.attempts(ctx, l)
		if err != nil && ctx.Err() != nil {
			return // what was not sent is found again at the next start
		}
		o.mu.Lock()
		o.queues[to] = o.queues[to][1:]
		o.waiting--
		o.mu.Unlock()
		o.ended(l, err)
	}
}

// attempts sends a message, and again while that may help.
func (o *outbox) attempts(ctx context.Context, l letter) error {
	limit, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	wait := firstRetry
	for {
		err := o.attempt(ctx, l)
		if err == nil || !fault.Is(err, fault.Transient) {
			return err
		}
		select {
		case <-limit.Done():
			return fmt.Errorf("given up after %s: %w", giveUp, err)
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

func (o *outbox) attempt(ctx context.Context, l letter) (err error) {
	leave, err := o.turn(ctx, l.to.Service)
	if err != nil {
		return err
	}
	defer leave()
	service := o.find(l.to.Service)
	if service == nil {
		return fault.New(fault.NotFound, "there is no service %s any more", l.to.Service)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() {
		if why := recover(); why != nil {
			err = fault.New(fault.Internal, "the service broke: %v", why)
		}
	}()
	return service.Send(ctx, l.message, l.to.Recipient)
}
