package logging_test

import _ "stavka.local/shared/testlimit" // a test that hangs ends the process
