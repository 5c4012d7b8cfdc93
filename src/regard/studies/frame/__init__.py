"""What every study is made of: a question, findings, and the page that they are written on."""
