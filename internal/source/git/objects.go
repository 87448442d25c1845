package git

import (
	"context"
	"errors"
	"fmt"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// smallBlob is the size up to which a file is kept in memory: manifests are, archives are not.
	smallBlob = 256 << 10
	// readTries bounds how often a read is begun anew because its process ended under it.
	readTries = 5
	// maxTags bounds how many annotated tags may point to one another.
	maxTags = 10
)

// blob is a file's content. data is nil when size is above the limit.
type blob struct {
	size int64
	data []byte
}

// load reads one object from the mirror. Errors: errMissing, errTooLarge (with kind and size), errDamaged, or what kept
// the process from starting.
func (r *repo) load(ctx context.Context, id oid) (object, error) {
	broke := 0
	for range readTries {
		if err := ctx.Err(); err != nil {
			return object{}, err
		}
		rd, err := r.src.readers.get(r.dir, func() (*reader, error) {
			return newReader(r.src.life, r.src.git, r.dir, r.src.cfg.MaxBlob, r.src.cfg.ReaderIdle)
		})
		if err != nil {
			return object{}, err
		}
		obj, err := rd.get(id)
		switch {
		case errors.Is(err, errReaderGone):
			continue
		case errors.Is(err, errReaderBroke):
			if broke++; broke == 2 { // once may be somebody's kill
				return object{}, fmt.Errorf("%w: %w", errDamaged, err)
			}
			continue
		}
		return obj, err
	}
	if err := r.src.life.Context().Err(); err != nil {
		return object{}, fmt.Errorf("read object %s: the git source is closed: %w", id, err)
	}
	return object{}, fmt.Errorf("read object %s: the reader ended %d times", id, readTries)
}

// need is load of an object that a commit in the mirror names: when it is not there the mirror is mended, once.
func (r *repo) need(ctx context.Context, id oid, want kind) (object, error) {
	clone := r.cloned()
	obj, err := r.load(ctx, id)
	if errors.Is(err, errMissing) || errors.Is(err, errDamaged) {
		if err := r.repair(ctx, clone); err != nil {
			return object{}, err
		}
		obj, err = r.load(ctx, id)
	}
	switch {
	case errors.Is(err, errMissing):
		return object{}, fault.New(fault.NotFound, "%s no longer has object %s; it may have been removed by a force push",
			r.remote.shown(), id)
	case errors.Is(err, errTooLarge) && want == blobKind && obj.kind == blobKind:
		return obj, err
	case err != nil:
		return object{}, &wrapped{"read " + r.remote.shown(), err}
	case obj.kind != want:
		return object{}, fault.New(fault.Invalid, "object %s of %s is a %s where a %s must be", id, r.remote.shown(), obj.kind, want)
	}
	return obj, nil
}

// tree returns the directory id.
func (r *repo) tree(id oid) (*tree, error) {
	key := cacheKey{r, id}
	if v, ok := r.src.cache.get(key); ok {
		if t, ok := v.(*tree); ok {
			return t, nil
		}
	}
	obj, err := r.need(r.src.life.Context(), id, treeKind)
	if err != nil {
		return nil, err
	}
	t, err := parseTree(obj.data, len(id)/2)
	if err != nil {
		return nil, fault.New(fault.Invalid, "directory %s of %s is malformed: %w", id, r.remote.shown(), err)
	}
	r.src.cache.add(key, t, t.bytes())
	return t, nil
}

// blob returns the content of file id, which the caller must not change. Above the limit only its size is known.
func (r *repo) blob(id oid) (blob, error) {
	key := cacheKey{r, id}
	if v, ok := r.src.cache.get(key); ok {
		if b, ok := v.(blob); ok {
			return b, nil
		}
	}
	obj, err := r.need(r.src.life.Context(), id, blobKind)
	if err != nil && !errors.Is(err, errTooLarge) {
		return blob{}, err
	}
	b := blob{size: obj.size, data: obj.data}
	if err != nil || b.size <= smallBlob {
		r.src.cache.add(key, b, int64(len(b.data)))
	}
	return b, nil
}

// commit returns the commit that id names, directly or through annotated tags. errMissing means that id itself is not
// in the mirror.
func (r *repo) commit(ctx context.Context, id oid) (commit, error) {
	key := cacheKey{r, id}
	if v, ok := r.src.cache.get(key); ok {
		if c, ok := v.(commit); ok {
			return c, nil
		}
	}
	clone := r.cloned()
	obj, err := r.load(ctx, id)
	if errors.Is(err, errDamaged) {
		if err := r.repair(ctx, clone); err != nil {
			return commit{}, err
		}
		obj, err = r.load(ctx, id)
	}
	for range maxTags {
		if err != nil {
			if errors.Is(err, errMissing) {
				return commit{}, err
			}
			return commit{}, &wrapped{"read commit " + string(id) + " of " + r.remote.shown(), err}
		}
		switch obj.kind {
		case commitKind:
			c, ok := parseCommit(id, obj.data)
			if !ok {
				return commit{}, fault.New(fault.Invalid, "commit %s of %s is malformed", id, r.remote.shown())
			}
			r.src.cache.add(key, c, int64(len(c.message)+len(c.author))+200)
			return c, nil
		case tagKind:
			next, ok := parseTag(obj.data)
			if !ok {
				return commit{}, fault.New(fault.Invalid, "tag %s of %s is malformed", id, r.remote.shown())
			}
			id = next
			obj, err = r.load(ctx, id)
		default:
			return commit{}, fault.New(fault.NotFound, "object %s of %s is a %s, not a commit", id, r.remote.shown(), obj.kind)
		}
	}
	return commit{}, fault.New(fault.Invalid, "tag %s of %s points to a tag more than %d times", id, r.remote.shown(), maxTags)
}
