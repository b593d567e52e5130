// Package sqlite keeps the line in one SQLite file, which belongs to this process. Every
// operation is one transaction: a writing one runs alone, in the order of asking, and a
// reading one sees the last commit. Go decides and counts, and the tables' constraints
// hold it to the rules.
//
// Besides what SQLite itself puts there, a FILE has beside it:
//
//	FILE.lock     held by the process that the file belongs to
//	FILE.started  where the numbers stood when that process began, "D.G:seq"
//	FILE.stopped  the receipt of an orderly end: where they stood then
//
// What was committed is on the disk and stays there. So the file goes back in time only
// when somebody puts an older copy in its place, which nothing in the copy tells. An end
// that was orderly leaves a receipt, the next start takes it away, and only a file that
// fits it goes on as if nothing had happened:
//
//	        no line yet ──────► generation 1
//	a receipt that fits ──────► the same generation
//	  another, or none ───────► the next generation; seq and ids jump
//
// The jump begins at the highest number that the file, the receipt or FILE.started knows.
// The file alone would not do: of two starts from the same copy both would give out the
// same numbers, in the same generation.
//
// So a copy that is put back is of FILE alone, or of the directory with all that anybody
// knows.
//
// A guest, who reads or adds something while another process owns the file, takes the
// numbers as they are and leaves the files beside it alone.
package sqlite
