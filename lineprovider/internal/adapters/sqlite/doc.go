// Package sqlite stores the line in one SQLite file that this process owns. Every operation is one
// transaction: there is one writing transaction at a time, in the order of requests, and a reading
// transaction sees the last commit. Go makes the decisions and assigns the numbers; the tables'
// constraints check them.
//
// Besides SQLite's own files, there are three more beside a FILE:
//
//	FILE.lock     locked by the process that owns the file
//	FILE.started  the last numbers when that process started, "D.G:seq"
//	FILE.stopped  the receipt of an orderly stop: the last numbers then
//
// Committed data is on the disk and stays there. So the file goes back in time only if an older copy
// replaces it, and nothing in the copy shows that. Therefore an orderly stop leaves a receipt, the next
// start removes it, and only a file that matches its receipt continues its generation:
//
//	       no line yet ──────► generation 1
//	a matching receipt ──────► the same generation
//	  another, or none ──────► the next generation; seq and ids jump
//
// The jump starts at the highest number in the file, the receipt or FILE.started. The file alone is not
// enough: two starts from the same copy would assign the same numbers in the same generation.
//
// So a restore must replace FILE alone, or the directory with all of these files.
//
// A guest reads or adds something while another process owns the file. It uses the numbers as they are
// and does not touch the files beside it.
package sqlite
