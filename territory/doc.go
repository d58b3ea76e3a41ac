// Package territory says where a place is, in the codes that policies use, from real borders that are part of the binary. It
// runs on devices too: nothing is fetched, nothing is written, and coordinates go no further than the caller.
//
// # Codes
//
// A [Code] is an ISO 3166-1 alpha-2 code ("CU"), or an ISO 3166-2 one where policies need a subdivision: all of Ukraine's,
// among them UA-43 (Crimea) and UA-40 (Sevastopol). Dependencies with a code of their own are answered by it: Hong Kong is
// HK, Puerto Rico PR, Greenland GL. Kosovo is XK, which ISO 3166-1 leaves to users and CLDR and networks use. The zero
// Code is [Unknown].
//
// # Places
//
//	territory.Locate(45.356, 36.467)                     // UA-43
//	territory.LocateWithin(nil, 46.15, 33.69, 8000)      // UA-43, UA-65: the circle crosses the isthmus
//	territory.Locate(0, -30)                             // Unknown: the high seas
//
// [Locate] takes degrees WGS 84 and answers the most specific code; territorial seas count to their country, and so does
// what lies within [SnapM] of one. [LocateWithin] answers every territory that a circle touches: a fix with its accuracy
// radius. It measures to the borders themselves. Where the circle touches the open sea, it counts every coast within
// SnapM more, which errs to the side of naming one too many. A place of which nothing is known gets no answer, never a
// guess: callers treat Unknown, and more than one candidate, as undecided.
//
// [LocateCSV] answers places in bulk, as the command line does.
//
// # Borders
//
// A border here is a line between what OpenStreetMap counts to one country and to another, as it stood at the end of 2023,
// drawn to 12 m for countries that export control names and their neighbours, to 25 m elsewhere, and to 150 m for the
// outer limit of territorial seas; points are rounded to 13.6 m. Ukraine's oblasts are parted by Natural Earth's lines,
// which are coarser (up to some kilometres, as around Sevastopol), except for Crimea, which is OpenStreetMap's. A river
// or a boundary commission may have moved since. No border here says what ought to be: [Disputed] lists the places
// where sources disagree, with the answer, the claims and the reason, so that a policy can decide otherwise by name.
//
// Where two claims overlap, the smaller territory wins, so that an enclave does within what surrounds it.
//
// # How it works
//
// Borders are arcs, each with the set of territories that one enters or leaves by crossing it. Grids of 1, 1/8 and 1/32
// degree lie over them. A cell that no border crosses answers at once; in the others, what holds a corner is known,
// and the crossings on the way to the place turn that into the answer. [Load] decodes the file, which otherwise happens at
// first use; a look-up does not allocate, takes no lock and may run on any number of goroutines.
//
// Measured in November 2026 (go run ./territory/gen/borders evaluate prints the whole table): 171,015 of 171,032 undisputed
// places of GeoNames right (99.990 %), every Crimean one of 377 and no false one; near the land borders of 22 countries that
// matter, against the same borders at full resolution, 99.78 % at 0.5 km, 99.93 % at 2 km and 99.99 % at 10 km; 20 ns a
// look-up in places, 110 ns at 0.5 km from a border; 1.4 MB in the binary, 13 MB in memory, loaded in 70 ms.
//
// The borders are generated: see NOTICE-borders.md for sources and licences (the derived file is under the ODbL), and
// gen/borders for the program.
package territory
