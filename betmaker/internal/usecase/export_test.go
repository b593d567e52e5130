package usecase

// Follow makes a feed follow a data set without reading it.
func Follow(feed *Feed, dataset string) { feed.follow(dataset) }
