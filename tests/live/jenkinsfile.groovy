// SPDX-License-Identifier: Apache-2.0
// Says as JSON what is written in a Jenkinsfile: groovy jenkinsfile.groovy FILE
// Each call is {name, arguments, block}; a variable that the file only reads stands there as $NAME.
import groovy.json.JsonOutput

class Block extends GroovyObjectSupport {
    List calls = []

    Object invokeMethod(String name, Object arguments) {
        List words = arguments as List
        Map call = [name: name, arguments: words.findAll { !(it instanceof Closure) }.collect { it instanceof GString ? it.toString() : it }]
        if (words && words.last() instanceof Closure) {
            call.block = read(words.last())
        }
        calls << call
        null
    }

    Object getProperty(String name) {
        name == 'calls' ? calls : name == 'env' ? new Variables() : ('$' + name)
    }

    void setProperty(String name, Object value) {
        calls << [name: name, arguments: [value.toString()]]
    }

    static List read(Closure body) {
        Block block = new Block()
        body.delegate = block
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body()
        block.@calls
    }
}

class Variables extends GroovyObjectSupport {
    Object getProperty(String name) { '$' + name }
}

abstract class Recorder extends Script {
    List calls

    Object pipeline(Closure body) { calls = Block.read(body) }
}

def configuration = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: 'Recorder')
def script = new GroovyShell(this.class.classLoader, new Binding(), configuration).parse(new File(args[0]))
script.run()
println JsonOutput.toJson(script.calls)
