local cb = require "cellbench"
return cb.study {
  name  = "base",
  task  = cb.task.adding { length = 8, train = 20, valid = 10, test = 10 },
  cells = { "rnn", cb.cell {
    name = "own", source = "a source", set = { mode = "plain" },
    text = function(set) return "state h\nh' = tanh(W x + R h + b)" end } },
  hidden = 3, train = { epochs = 1, batch = 10 },
}
