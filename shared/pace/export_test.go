package pace

// Len returns the number of buckets.
func (p *Pace[K]) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.buckets)
}
